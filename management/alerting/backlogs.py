"""How old the oldest record is that each consumer group has not committed yet, per topic.

Asked through consumers that never join a group, as `infra.lag` does and for the same reason.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra.clock import MICROSECONDS
from infra.errors import KafkaUnavailableError
from infra.groups import ConsumerGroup, consumer_groups
from infra.kafka import consumer_properties
from infra.settings import Settings
from infra.topics import load_topics
from management.alerting.core.judgements import Backlog

_ANSWER_SECONDS_MAX = 5.0
_OLDEST_SECONDS_MAX = 3.0
# To learn the time of one record no more is fetched than that; a batch that is larger still comes whole.
_FETCHING = {"fetch.message.max.bytes": 16_384, "queued.min.messages": 1}


class Backlogs:
    """Every group that must keep up. Not for two threads; close it when done."""

    def __init__(self, settings: Settings) -> None:
        self._consumers = {
            group: Consumer(
                consumer_properties(settings.kafka, f"{group.group_id}-backlog", group.group_id) | _FETCHING
            )
            for group in consumer_groups(settings)
        }
        self._retention_us = {
            name: topic.retention_seconds * MICROSECONDS
            for name, topic in load_topics().items()
            if topic.retention_seconds is not None
        }

    def read(self) -> list[Backlog]:
        """One per group and topic whose records are deleted some day. Raises KafkaUnavailableError."""
        with _unavailability_translated():
            return [
                backlog for group, consumer in self._consumers.items() for backlog in self._of_group(group, consumer)
            ]

    def close(self) -> None:
        """Let the connections go."""
        for consumer in self._consumers.values():
            consumer.close()

    def _of_group(self, group: ConsumerGroup, consumer: Consumer) -> Iterator[Backlog]:
        found = consumer.list_topics(timeout=_ANSWER_SECONDS_MAX).topics
        for topic in group.topics:
            retention_us = self._retention_us.get(topic)
            if retention_us is None or topic not in found:
                continue
            wanted = [TopicPartition(topic, number) for number in found[topic].partitions]
            records, lost, waiting = 0, 0, []
            for place in consumer.committed(wanted, timeout=_ANSWER_SECONDS_MAX):
                if place.error is not None:
                    raise KafkaException(place.error)
                start, end = consumer.get_watermark_offsets(place, timeout=_ANSWER_SECONDS_MAX)
                next_offset = max(start, place.offset)
                records += max(0, end - next_offset)
                lost += max(0, start - place.offset) if place.offset >= 0 else 0
                if end > next_offset:
                    waiting.append(TopicPartition(topic, place.partition, next_offset))
            oldest_at_us = _oldest(consumer, waiting) if waiting else None
            yield Backlog(group.group_id, topic, records, lost, oldest_at_us, retention_us)


def _oldest(consumer: Consumer, waiting: list[TopicPartition]) -> int | None:
    """The earliest time among the first waiting record of each partition; None when one was not handed over in time."""
    deadline = time.monotonic() + _OLDEST_SECONDS_MAX
    left = {place.partition for place in waiting}
    found: list[int] = []
    consumer.assign(waiting)
    while left and (remaining := deadline - time.monotonic()) > 0:
        message = consumer.poll(remaining)
        if message is None or message.error() is not None or message.partition() not in left:
            continue
        found.append(message.timestamp()[1] * 1_000)
        left.discard(message.partition() or 0)
    consumer.unassign()
    return None if left else min(found)


@contextmanager
def _unavailability_translated() -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise KafkaUnavailableError(f"backlogs are not known: {error.args[0].str()}") from error
