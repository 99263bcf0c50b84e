"""How far a consumer group is behind, as the broker tells it: committed offsets against the ends of the partitions.

Read through a consumer that never joins the group. `AdminClient.list_consumer_group_offsets` would do the same and is
not used: in librdkafka 2.16 an answer such as "coordinator load in progress", normal after a broker's restart, makes
it follow a null pointer (`rd_kafka_handle_OffsetFetch` to `rd_kafka_cgrp_op`) and the process ends with SIGSEGV.
"""

from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra.errors import KafkaUnavailableError
from infra.kafka import consumer_properties
from infra.settings import KafkaSettings


class LagReader:
    """Reads the lag of one group. Not for two threads at once; close it when done."""

    def __init__(self, settings: KafkaSettings, group_id: str, topics: Sequence[str]) -> None:
        self._topics = topics
        self._consumer = Consumer(consumer_properties(settings, f"{group_id}-lag", group_id))

    def by_topic(self, *, timeout_seconds: float) -> dict[str, int]:
        """Records written and not yet committed by the group, per topic that exists.

        `timeout_seconds` bounds each question. Raises KafkaUnavailableError.
        """
        try:
            committed = self._committed(timeout_seconds)
            lag = {position.topic: 0 for position in committed}
            for position in committed:
                lag[position.topic] += self._waiting(position, timeout_seconds)
        except KafkaException as error:
            raise KafkaUnavailableError(f"lag is not known: {error.args[0].str()}") from error
        return lag

    def has_committed(self, topic: str, partition: int, offset: int, *, timeout_seconds: float) -> bool:
        """Whether the group is done with the record at this place. Raises KafkaUnavailableError."""
        try:
            [position] = self._consumer.committed([TopicPartition(topic, partition)], timeout=timeout_seconds)
            if position.error is not None:
                raise KafkaException(position.error)
        except KafkaException as error:
            raise KafkaUnavailableError(f"progress is not known: {error.args[0].str()}") from error
        return bool(position.offset > offset)

    def close(self) -> None:
        """Let the connections go."""
        self._consumer.close()

    def _committed(self, timeout_seconds: float) -> list[TopicPartition]:
        found = self._consumer.list_topics(timeout=timeout_seconds).topics
        wanted = [
            TopicPartition(topic, number)
            for topic in self._topics
            if topic in found
            for number in found[topic].partitions
        ]
        positions: list[TopicPartition] = self._consumer.committed(wanted, timeout=timeout_seconds) if wanted else []
        for position in positions:
            if position.error is not None:
                raise KafkaException(position.error)
        return positions

    def _waiting(self, position: TopicPartition, timeout_seconds: float) -> int:
        start, end = self._consumer.get_watermark_offsets(position, timeout=timeout_seconds)
        return int(max(0, end - max(start, position.offset)))
