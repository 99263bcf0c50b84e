"""Where topics end."""

from collections.abc import Sequence

from confluent_kafka import Consumer, TopicPartition


def ends_of(consumer: Consumer, topics: Sequence[str]) -> dict[str, list[TopicPartition]]:
    """Every partition of each topic, at its end. A consumer that fetches answers only between two fetches."""
    known = consumer.list_topics(timeout=10).topics
    found = {topic: [TopicPartition(topic, number) for number in known[topic].partitions] for topic in topics}
    for partitions in found.values():
        for partition in partitions:
            partition.offset = consumer.get_watermark_offsets(partition, timeout=10)[1]
    return found
