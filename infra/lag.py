"""How far a consumer group is behind, as the broker tells it: committed offsets against the ends of the partitions.

Read through a consumer that never joins the group. `AdminClient.list_consumer_group_offsets` would do the same and is
not used: in librdkafka 2.16 an answer such as "coordinator load in progress", normal after a broker's restart, makes
it follow a null pointer (`rd_kafka_handle_OffsetFetch` to `rd_kafka_cgrp_op`) and the process ends with SIGSEGV.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaException, TopicPartition

from infra.errors import KafkaUnavailableError
from infra.kafka import consumer_properties
from infra.settings import KafkaSettings

# To learn the time of one record, no more than that is fetched: a batch that is larger still comes whole.
_FETCHING = {"fetch.message.max.bytes": 16_384, "queued.min.messages": 1}


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a group has not committed of one topic.

    `oldest_at_us` is the time of the oldest such record (microseconds, as its producer wrote it): None where nothing
    waits, or where the broker did not hand the record over in time. `lost_records` were deleted before they were
    committed. `committed` adds up the group's offsets: it moves when the group commits.
    """

    topic: str
    records: int
    oldest_at_us: int | None
    lost_records: int
    committed: int


#: An offset of each partition (its end, mostly), by topic and number.
Ends = Mapping[tuple[str, int], int]


@dataclass(frozen=True, slots=True)
class _Span:
    """A partition: what is kept of it, and how far the group is (negative: it never committed)."""

    topic: str
    partition: int
    start: int
    end: int
    committed: int

    @property
    def next_offset(self) -> int:
        return max(self.start, self.committed)

    @property
    def records(self) -> int:
        return max(0, self.end - self.next_offset)

    @property
    def lost_records(self) -> int:
        return max(0, self.start - self.committed) if self.committed >= 0 else 0


class LagReader:
    """Reads the lag of one group. Not for two threads at once; close it when done."""

    def __init__(self, settings: KafkaSettings, group_id: str, topics: Sequence[str]) -> None:
        self._topics = topics
        self._consumer = Consumer(consumer_properties(settings, f"{group_id}-lag", group_id) | _FETCHING)

    def by_topic(self, *, timeout_seconds: float) -> dict[str, int]:
        """Records written and not yet committed by the group, per topic that exists.

        `timeout_seconds` bounds each question. Raises KafkaUnavailableError.
        """
        lag: dict[str, int] = {}
        for span in self._spans(timeout_seconds):
            lag[span.topic] = lag.get(span.topic, 0) + span.records
        return lag

    def backlogs(self, *, timeout_seconds: float) -> list[Backlog]:
        """The same with times, per topic that exists. Raises KafkaUnavailableError."""
        spans = self._spans(timeout_seconds)
        oldest = self._oldest([span for span in spans if span.records], timeout_seconds)
        return [self._backlog(topic, spans, oldest.get(topic)) for topic in dict.fromkeys(span.topic for span in spans)]

    def ends(self, *, timeout_seconds: float) -> Ends:
        """Where the group's topics end now. Raises KafkaUnavailableError."""
        return {(span.topic, span.partition): span.end for span in self._spans(timeout_seconds)}

    def waiting(self, *, timeout_seconds: float) -> Ends:
        """The next offset of the group in each partition in which records wait. Raises KafkaUnavailableError."""
        return {(span.topic, span.partition): span.next_offset for span in self._spans(timeout_seconds) if span.records}

    def is_before(self, ends: Ends, *, timeout_seconds: float) -> bool:
        """Whether records in front of these ends are not committed by the group. Raises KafkaUnavailableError."""
        spans = self._spans(timeout_seconds)
        return any(span.next_offset < ends.get((span.topic, span.partition), 0) for span in spans)

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

    def _spans(self, timeout_seconds: float) -> list[_Span]:
        try:
            return [self._span(position, timeout_seconds) for position in self._committed(timeout_seconds)]
        except KafkaException as error:
            raise KafkaUnavailableError(f"lag is not known: {error.args[0].str()}") from error

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

    def _span(self, position: TopicPartition, timeout_seconds: float) -> _Span:
        start, end = self._consumer.get_watermark_offsets(position, timeout=timeout_seconds)
        return _Span(position.topic, position.partition, start, end, position.offset)

    def _backlog(self, topic: str, spans: Sequence[_Span], oldest_at_us: int | None) -> Backlog:
        own = [span for span in spans if span.topic == topic]
        return Backlog(
            topic,
            sum(span.records for span in own),
            oldest_at_us,
            sum(span.lost_records for span in own),
            sum(max(0, span.committed) for span in own),
        )

    def _oldest(self, waiting: Sequence[_Span], timeout_seconds: float) -> dict[str, int]:
        """The earliest time among the first waiting record of each partition, by topic; topics not read are absent."""
        if not waiting:
            return {}
        oldest: dict[str, int] = {}
        deadline = time.monotonic() + timeout_seconds
        left = {(span.topic, span.partition) for span in waiting}
        try:
            self._consumer.assign([TopicPartition(span.topic, span.partition, span.next_offset) for span in waiting])
            while left and (remaining := deadline - time.monotonic()) > 0:
                message = self._consumer.poll(remaining)
                if message is None or message.error() is not None:
                    continue
                place = (message.topic() or "", message.partition() or 0)
                kind, milliseconds = message.timestamp()
                if place in left and kind != TIMESTAMP_NOT_AVAILABLE:
                    oldest[place[0]] = min(milliseconds * 1_000, oldest.get(place[0], milliseconds * 1_000))
                left.discard(place)
                self._consumer.pause([TopicPartition(*place)])
            self._consumer.unassign()
        except KafkaException as error:
            raise KafkaUnavailableError(f"age is not known: {error.args[0].str()}") from error
        unread = {topic for topic, _ in left}
        return {topic: at_us for topic, at_us in oldest.items() if topic not in unread}
