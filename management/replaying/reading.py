"""Records at places of topics, read by assignment: no group's offsets are looked at or moved."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from pydantic import TypeAdapter, ValidationError

from infra.errors import KafkaUnavailableError
from infra.kafka import consumer_properties
from infra.settings import KafkaSettings
from management.replaying.places import FoundRecord, Lost, OffsetRange, Place
from schemas import headers as record_headers
from schemas.headers import HeaderError
from schemas.records import RequestFacts

#: A gap up to this is read over, a larger one is jumped.
_GAP_OFFSETS_MAX = 500
_CONSUMED_MAX = 500
_ANSWER_SECONDS = 10.0
_POLL_SECONDS = 0.1
#: What the client reads ahead of us.
_AHEAD_KIBIBYTES_MAX = 32_768

DELETED = "the topic keeps it no longer: its retention ended"
_NOT_YET = "the topic does not reach so far"
_NO_PARTITION = "the topic has no such partition"
_NOTHING = "no record stands there"
_parse_facts = TypeAdapter(RequestFacts).validate_json


class ScanStep(NamedTuple):
    """A part of a range. `next_offset` is where the next part begins; `is_done`: there is none, or not yet."""

    records: list[FoundRecord]
    lost: list[Lost]
    next_offset: int
    is_done: bool


class RecordReader:
    """One consumer, for one thread at a time; it ends with the context. Methods raise KafkaUnavailableError."""

    def __init__(self, settings: KafkaSettings, client_id: str = "hookline-management-replays") -> None:
        properties = consumer_properties(settings, client_id, client_id)
        # A broker answers one connection's questions in turn: what waits for records that never come holds the next up.
        properties |= {"fetch.wait.max.ms": 20}
        properties |= {"enable.partition.eof": True, "queued.max.messages.kbytes": _AHEAD_KIBIBYTES_MAX}
        self._consumer = Consumer(properties)
        #: The next place to be handed out: what stands there was read ahead, or is what the client gives next.
        self._next: Place | None = None
        self._ahead: deque[Message] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        """By partition the first offset that is kept, and the end. Empty for a topic that is not there."""
        with _failures_translated():
            found = self._consumer.list_topics(topic, timeout=_ANSWER_SECONDS).topics[topic]
            known = {number: self._bounds(topic, number) for number in sorted(found.partitions)}
            return {number: bounds for number, bounds in known.items() if bounds is not None}

    def end_of(self, topic: str, partition: int) -> int:
        """Where the next record of a partition will stand; 0 for one that is not there."""
        with _failures_translated():
            bounds = self._bounds(topic, partition)
        return 0 if bounds is None else bounds[1]

    def read(self, places: Sequence[Place], *, seconds_max: float) -> dict[Place, FoundRecord | Lost]:
        """What stands at each place. Raises KafkaUnavailableError where that takes longer than `seconds_max`.

        A topic that was made anew has other records at the same places: compare the delivery ids.
        """
        messages = self.read_messages(places, seconds_max=seconds_max)
        return {
            place: message if isinstance(message, Lost) else found_record(message)
            for place, message in messages.items()
        }

    def read_messages(self, places: Sequence[Place], *, seconds_max: float) -> dict[Place, Message | Lost]:
        """The same as they come from the client, whatever their headers hold."""
        deadline = time.monotonic() + seconds_max
        answer: dict[Place, Message | Lost] = {}
        for (topic, partition), group in groupby(sorted(set(places)), lambda place: place[:2]):
            wanted = {place.offset for place in group}
            with _failures_translated():
                found = self._of_partition(topic, partition, sorted(wanted), deadline)
                bounds = self._bounds(topic, partition) if len(found) < len(wanted) else None
            for offset in wanted:
                place = Place(topic, partition, offset)
                answer[place] = found[offset] if offset in found else Lost(place, _missing(offset, bounds))
        return answer

    def scan(self, wanted: OffsetRange, *, records_max: int, seconds_max: float = _ANSWER_SECONDS) -> ScanStep:
        """The first records of a range, at most `records_max`, and what of it is lost up to them.

        Go on at `next_offset`. A range that ends behind the topic ends with the topic.
        """
        topic, partition, first, _ = wanted
        with _failures_translated():
            bounds = self._bounds(topic, partition)
            if bounds is None:
                return ScanStep([], [Lost(wanted, _NO_PARTITION)], first, is_done=True)
            last = min(wanted.last, bounds[1] - 1)
            step = ScanStep([], _deleted(wanted, first, bounds[0]), first, is_done=True)
            next_offset = max(first, min(bounds[0], wanted.last + 1))
            messages = self._messages(Place(topic, partition, next_offset), last, time.monotonic() + seconds_max)
            for count, message in enumerate(messages, 1):
                if message.offset() > next_offset:  # no record was there, or retention has been faster than we are
                    low = min((self._bounds(topic, partition) or bounds)[0], message.offset())
                    step.lost.extend(_deleted(wanted, next_offset, low))
                found = found_record(message)
                (step.lost if isinstance(found, Lost) else step.records).append(found)  # type: ignore[arg-type]
                next_offset = message.offset() + 1
                if count == records_max:
                    return step._replace(next_offset=next_offset, is_done=next_offset > last)
        return step._replace(next_offset=max(next_offset, last + 1))

    def _of_partition(self, topic: str, partition: int, offsets: Sequence[int], deadline: float) -> dict[int, Message]:
        """Those that are there, by offset."""
        low, end = self._bounds(topic, partition) or (0, 0)
        wanted = {offset for offset in offsets if low <= offset < end}
        return {
            message.offset(): message
            for run in _runs(sorted(wanted))
            for message in self._messages(Place(topic, partition, run[0]), run[-1], deadline)
            if message.offset() in wanted
        }

    def _bounds(self, topic: str, partition: int) -> tuple[int, int] | None:
        """The first offset that is kept, and the end; None for a partition that is not there."""
        try:
            low, end = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_ANSWER_SECONDS)
        except KafkaException as error:
            if error.args[0].code() in {KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART}:
                return None
            raise
        return int(low), int(end)

    def _messages(self, first: Place, last: int, deadline: float) -> Iterator[Message]:
        """Records from a place on, up to offset `last`, which is before the topic's end."""
        if first.offset > last:
            return
        self._go_to(first)
        while self._next is not None and self._next.offset <= last:
            if not self._ahead:
                if time.monotonic() >= deadline:
                    raise KafkaUnavailableError(f"{first}-{last} was not read in time")
                self._ahead.extend(self._consumer.consume(_CONSUMED_MAX, _POLL_SECONDS))
                continue
            if self._ahead[0].error() is None and self._ahead[0].offset() > last:
                return
            message = self._ahead.popleft()
            error = message.error()
            if error is None and message.offset() < self._next.offset:
                continue
            if error is None:
                self._next = first._replace(offset=message.offset() + 1)
                yield message
            elif error.code() != KafkaError._PARTITION_EOF:
                self._next = None
                raise KafkaException(error)
            elif message.offset() > last:
                # The last offsets may have no record. An end before them is an earlier one: the topic has grown since.
                self._next = first._replace(offset=message.offset())

    def _go_to(self, place: Place) -> None:
        """What was read ahead is kept where the place lies a little further on."""
        at = self._next
        if at is None or at[:2] != place[:2] or not 0 <= place.offset - at.offset <= _GAP_OFFSETS_MAX:
            self._ahead.clear()
            self._consumer.assign([TopicPartition(*place)])
        self._next = place


def found_record(message: Message) -> FoundRecord | Lost:
    """A consumed record, or why it cannot be replayed."""
    place = Place(str(message.topic()), int(message.partition()), int(message.offset()))
    try:
        headers = record_headers.decode(message.headers())
        facts = _parse_facts(headers.request)
    except HeaderError as error:
        return Lost(place, f"its headers cannot be read: {error}")
    except ValidationError as error:
        return Lost(place, f"its header {record_headers.REQUEST} cannot be read: {error.error_count()} problems")
    return FoundRecord(place, message.key() or b"", message.value() or b"", headers, message.timestamp()[1], facts)


def _missing(offset: int, bounds: tuple[int, int] | None) -> str:
    if bounds is None:
        return _NO_PARTITION
    low, end = bounds
    return DELETED if offset < low else _NOT_YET if offset >= end else _NOTHING


def _deleted(wanted: OffsetRange, first: int, low: int) -> list[Lost]:
    """Of a range, from `first` on, what lies before the first offset that is kept."""
    if low <= first:
        return []
    return [Lost(wanted._replace(first=first, last=min(low - 1, wanted.last)), DELETED)]


def _runs(offsets: Sequence[int]) -> list[list[int]]:
    """Offsets that are read in one go."""
    runs: list[list[int]] = []
    for offset in offsets:
        if runs and offset - runs[-1][-1] <= _GAP_OFFSETS_MAX:
            runs[-1].append(offset)
        else:
            runs.append([offset])
    return runs


@contextmanager
def _failures_translated() -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise KafkaUnavailableError(f"reading records: {error.args[0].str()}") from error
