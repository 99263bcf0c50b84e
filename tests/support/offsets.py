"""Where topics end."""

from collections.abc import Sequence
from functools import partial

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.support.wait import eventually


def ends_of(consumer: Consumer, topics: Sequence[str]) -> dict[str, list[TopicPartition]]:
    """Every partition of each topic, at its end. A consumer that fetches answers only between two fetches."""
    known = consumer.list_topics(timeout=30).topics
    found = {topic: [TopicPartition(topic, number) for number in known[topic].partitions] for topic in topics}
    for partition in [partition for partitions in found.values() for partition in partitions]:
        eventually(partial(_set_end, consumer, partition), timeout_seconds=30, what=f"the end of {partition}")
    return found


def _set_end(consumer: Consumer, partition: TopicPartition) -> bool:
    """False while the partition has no leader yet, as just after its topic was made."""
    try:
        partition.offset = consumer.get_watermark_offsets(partition, timeout=10)[1]
    except KafkaException:
        return False
    return True
