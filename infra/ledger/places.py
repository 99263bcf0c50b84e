"""Places in topics, as the broker tells them: ends, committed offsets, where an hour begins, and single records.

Read through consumers that never join their group, as `infra.lag` says why.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import TopicMetadata

from infra.errors import KafkaUnavailableError
from infra.groups import consumer_groups
from infra.kafka import admin_client, consumer_properties
from infra.ledger.core.frontier import Place, Positions
from infra.settings import Settings
from infra.topics import ACCEPTED, ACTIONS, EXPEDITED, EXPEDITED_ACTIONS, RECEIVED, RECORDED, topic_incarnations

RAW_TOPICS = (RECEIVED, EXPEDITED)
_TOPICS = (*RAW_TOPICS, ACTIONS, EXPEDITED_ACTIONS, RECORDED, ACCEPTED)
_CLIENT_ID = "hookline-ledger"
_ANSWER_SECONDS = 10.0
#: A broker that has refused every connection by then is away. Not at once: a name may have an address that refuses.
_REFUSED_SECONDS = 1.5
_READ_SECONDS = 5.0
_POLL_SECONDS = 0.1
_RECORDS_MAX = 500


class Places:
    """One look at the broker. For one thread, and not for long. Every method raises KafkaUnavailableError."""

    def __init__(
        self, settings: Settings, groups: Mapping[str, Consumer], reader: Consumer, topics: Mapping[str, TopicMetadata]
    ) -> None:
        self._settings = settings
        self._groups = groups
        self._reader = reader
        self._all = [
            (topic, number) for topic in _TOPICS if topic in topics for number in sorted(topics[topic].partitions)
        ]

    def positions(self) -> Positions:
        """Committed offsets of every group by its id, and then the ends of every topic."""
        with _failures_translated():
            committed = {group_id: self._committed(consumer) for group_id, consumer in self._groups.items()}
            return Positions(committed, {place: self.bounds(place)[1] for place in self._all})

    def bounds(self, place: Place) -> tuple[int, int]:
        """The first offset that is kept, and the end."""
        with _failures_translated():
            first, end = self._reader.get_watermark_offsets(TopicPartition(*place), timeout=_ANSWER_SECONDS)
        return int(first), int(end)

    def starts(self, topics: Sequence[str], at_us: int) -> dict[Place, int]:
        """The first offset of each partition whose record is of this time or later; the end where there is none."""
        places = [place for place in self._all if place[0] in topics]
        wanted = [TopicPartition(*place, at_us // 1_000) for place in places]
        with _failures_translated():
            found = self._reader.offsets_for_times(wanted, timeout=_ANSWER_SECONDS) if wanted else []
            _raise_errors(found)
        return {
            (one.topic, one.partition): one.offset if one.offset >= 0 else self.bounds((one.topic, one.partition))[1]
            for one in found
        }

    def incarnations(self) -> dict[str, str]:
        """Of the raw topics, by name."""
        topics = sorted({topic for topic, _ in self._all if topic in RAW_TOPICS})
        return topic_incarnations(admin_client(self._settings.kafka, f"{_CLIENT_ID}-admin"), topics)

    def read(self, place: Place, ranges: Sequence[tuple[int, int]], *, records_max: int) -> dict[int, Any]:
        """The records in these ranges, both ends included, by offset; an offset without a record (the mark of a
        transaction) is absent. At most `records_max`, the first ones.
        """
        found: dict[int, Any] = {}
        with _failures_translated():
            for first, last in ranges:
                if len(found) < records_max:
                    found |= self._read_range(place, first, min(last, first + records_max - len(found) - 1))
        return found

    def _read_range(self, place: Place, first: int, last: int) -> dict[int, Any]:
        """Until a record lies behind the range, or the topic ends: the last offsets of a range may have no record."""
        self._reader.assign([TopicPartition(*place, first)])
        deadline = time.monotonic() + _READ_SECONDS
        found: dict[int, Any] = {}
        next_offset = first
        try:
            while next_offset <= last:
                if time.monotonic() >= deadline:
                    raise KafkaUnavailableError(f"{place[0]}-{place[1]}:{first}-{last} was not answered in time")
                for message in self._reader.consume(min(_RECORDS_MAX, last - next_offset + 1), _POLL_SECONDS):
                    if _is_end(message):
                        return found
                    next_offset = message.offset() + 1
                    if message.offset() <= last:
                        found[message.offset()] = message
                        deadline = time.monotonic() + _READ_SECONDS
        finally:
            self._reader.unassign()
        return found

    def _committed(self, consumer: Consumer) -> dict[Place, int]:
        positions = consumer.committed([TopicPartition(*place) for place in self._all], timeout=_ANSWER_SECONDS)
        _raise_errors(positions)
        return {(one.topic, one.partition): one.offset for one in positions if one.offset >= 0}


@contextmanager
def open_places(settings: Settings) -> Iterator[Places]:
    """A look at the broker, which ends with the context. Raises KafkaUnavailableError."""
    refused = threading.Event()

    def note(error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            refused.set()

    with ExitStack() as stack:
        properties = consumer_properties(settings.kafka, _CLIENT_ID, _CLIENT_ID)
        reader = stack.enter_context(closing(Consumer(properties | {"enable.partition.eof": True, "error_cb": note})))
        topics = _list_topics(reader, refused)
        groups = {
            group.group_id: stack.enter_context(
                closing(Consumer(consumer_properties(settings.kafka, _CLIENT_ID, group.group_id)))
            )
            for group in consumer_groups(settings)
        }
        yield Places(settings, groups, reader, topics)


def _list_topics(reader: Consumer, refused: threading.Event) -> Mapping[str, TopicMetadata]:
    """Without the whole wait where nothing listens, which is told by an error that `poll` hands over."""
    with _failures_translated():
        try:
            found = reader.list_topics(timeout=_REFUSED_SECONDS)
        except KafkaException:
            reader.poll(_POLL_SECONDS)
            if refused.is_set():
                raise
            found = reader.list_topics(timeout=_ANSWER_SECONDS - _REFUSED_SECONDS)
    topics: Mapping[str, TopicMetadata] = found.topics
    return topics


def _is_end(message: Message) -> bool:
    """Whether this stands for the end of the partition. Raises KafkaException for any other error."""
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    return error is not None


def _raise_errors(positions: Sequence[TopicPartition]) -> None:
    for position in positions:
        if position.error is not None:
            raise KafkaException(position.error)


@contextmanager
def _failures_translated() -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise KafkaUnavailableError(f"the ledger's places are not known: {error.args[0].str()}") from error
