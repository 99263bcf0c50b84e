"""Letters as they stand in their topics, read by assignment: no group's offsets are asked for, and none are kept."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra.errors import KafkaUnavailableError
from infra.kafka import consumer_properties
from infra.settings import KafkaSettings
from management.dead_letters.letters import LETTER_TOPICS, Letter, LetterPlace, parse_letter

_CLIENT_ID = "hookline-management-dead-letters"
_ANSWER_SECONDS_MAX = 5.0
_CONSUME_SECONDS = 0.1
_CONSUME_RECORDS_MAX = 200
_QUEUED_KIBIBYTES_MAX = 8_192
#: Letters between two wanted ones are read over rather than jumped over: a jump costs an answer of the broker.
_GAP_RECORDS_MAX = 200

Partition = tuple[str, int]


@contextmanager
def kafka_translated(what: str) -> Iterator[None]:
    """What the client raises becomes KafkaUnavailableError."""
    try:
        yield
    except KafkaException as error:
        raise KafkaUnavailableError(f"{what}: {error.args[0].str()}") from error


def letter_consumer(settings: KafkaSettings, client_id: str = _CLIENT_ID) -> Consumer:
    """A consumer that tells of ends, and keeps little in memory however large letters are."""
    bounds: dict[str, Any] = {"enable.partition.eof": True, "queued.max.messages.kbytes": _QUEUED_KIBIBYTES_MAX}
    return Consumer(consumer_properties(settings, client_id, client_id) | bounds)


def letter_partitions(consumer: Consumer) -> list[Partition]:
    """Every partition of the topics. Raises KafkaUnavailableError naming a topic that is missing."""
    with kafka_translated("dead letters"):
        found = consumer.list_topics(timeout=_ANSWER_SECONDS_MAX).topics
    missing = [name for name in LETTER_TOPICS if name not in found]
    if missing:
        raise KafkaUnavailableError(f"dead letters: {missing[0]} is missing")
    return [(name, number) for name in LETTER_TOPICS for number in sorted(found[name].partitions)]


def kept_offsets(consumer: Consumer, partition: Partition) -> tuple[int, int]:
    """The first offset that is still there, and the one that is next to be written. Raises KafkaUnavailableError."""
    with kafka_translated("dead letters"):
        low, high = consumer.get_watermark_offsets(TopicPartition(*partition), timeout=_ANSWER_SECONDS_MAX)
    return int(low), int(high)


def letter_of(message: Message) -> Letter:
    """The letter that a consumed record is."""
    place = LetterPlace(str(message.topic()), int(message.partition() or 0), int(message.offset() or 0))
    return parse_letter(
        place, message.key(), message.value(), message.headers(), timestamp_ms=int(message.timestamp()[1])
    )


def read_letters(
    settings: KafkaSettings, places: Sequence[LetterPlace], *, seconds_max: float
) -> Mapping[LetterPlace, Letter]:
    """Those of `places` that are still there, found within `seconds_max`. Raises KafkaUnavailableError."""
    by_partition: dict[Partition, list[int]] = {}
    for place in sorted(set(places)):
        by_partition.setdefault((place.topic, place.partition), []).append(place.offset)
    found: dict[LetterPlace, Letter] = {}
    deadline = time.monotonic() + seconds_max
    consumer = letter_consumer(settings)
    try:
        for partition, offsets in by_partition.items():
            low, high = kept_offsets(consumer, partition)
            kept = [offset for offset in offsets if low <= offset < high]
            if kept:
                _read_partition(consumer, partition, kept, deadline, found)
    finally:
        consumer.close()
    return found


def _read_partition(
    consumer: Consumer,
    partition: Partition,
    offsets: Sequence[int],
    deadline: float,
    found: dict[LetterPlace, Letter],
) -> None:
    """`offsets` ascend. One that is passed over is gone."""
    for run in _runs(offsets):
        wanted, last = set(run), run[-1]
        with kafka_translated("dead letters"):
            consumer.assign([TopicPartition(*partition, run[0])])
        for message in _consumed(consumer, lambda: deadline - time.monotonic()):
            offset = -1 if message is None else int(message.offset() or 0)
            if message is None or offset > last:
                break
            if offset in wanted:
                letter = letter_of(message)
                found[letter.place] = letter
            if offset == last:
                break


def _consumed(consumer: Consumer, seconds_left: Callable[[], float]) -> Iterator[Message | None]:
    """Records as they come; None at the end of the partition. Raises KafkaUnavailableError when time is over."""
    while seconds_left() > 0:
        with kafka_translated("dead letters"):
            messages = consumer.consume(_CONSUME_RECORDS_MAX, _CONSUME_SECONDS)
        for message in messages:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                yield None
            else:
                raise KafkaUnavailableError(f"dead letters: {error.str()}")
    raise KafkaUnavailableError("dead letters: no answer in time")


def _runs(offsets: Sequence[int]) -> Iterator[list[int]]:
    run = [offsets[0]]
    for offset in offsets[1:]:
        if offset - run[-1] > _GAP_RECORDS_MAX:
            yield run
            run = []
        run.append(offset)
    yield run


def beginning_or(offset: int | None) -> int:
    """Where to begin: behind what is known, else at the first record that is there."""
    return OFFSET_BEGINNING if offset is None else offset
