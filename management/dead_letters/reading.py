"""Letters as they stand in their topics, read by assignment: no group's offsets are asked for, and none are kept."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from infra.errors import KafkaUnavailableError
from infra.kafka import consumer_properties
from infra.settings import KafkaSettings
from management.dead_letters.letters import LETTER_TOPICS, Letter, parse_letter
from management.replaying.places import Lost, Place
from management.replaying.reading import RecordReader

_CLIENT_ID = "hookline-management-dead-letters"
_ANSWER_SECONDS_MAX = 5.0
_READ_SECONDS_MAX = 30.0
_QUEUED_KIBIBYTES_MAX = 8_192

Partition = tuple[str, int]


@contextmanager
def kafka_translated() -> Iterator[None]:
    """What the client raises becomes KafkaUnavailableError."""
    try:
        yield
    except KafkaException as error:
        raise KafkaUnavailableError(f"dead letters: {error.args[0].str()}") from error


def letter_consumer(settings: KafkaSettings, client_id: str) -> Consumer:
    """A consumer that tells of ends, and keeps little in memory however large letters are."""
    bounds: dict[str, Any] = {"enable.partition.eof": True, "queued.max.messages.kbytes": _QUEUED_KIBIBYTES_MAX}
    return Consumer(consumer_properties(settings, client_id, client_id) | bounds)


def letter_partitions(consumer: Consumer) -> list[Partition]:
    """Every partition of the topics. Raises KafkaUnavailableError naming a topic that is missing."""
    with kafka_translated():
        found = consumer.list_topics(timeout=_ANSWER_SECONDS_MAX).topics
    missing = [name for name in LETTER_TOPICS if name not in found]
    if missing:
        raise KafkaUnavailableError(f"dead letters: {missing[0]} is missing")
    return [(name, number) for name in LETTER_TOPICS for number in sorted(found[name].partitions)]


def kept_offsets(consumer: Consumer, partition: Partition) -> tuple[int, int]:
    """The first offset that is still there, and the one that is next to be written. Raises KafkaUnavailableError."""
    with kafka_translated():
        low, high = consumer.get_watermark_offsets(TopicPartition(*partition), timeout=_ANSWER_SECONDS_MAX)
    return int(low), int(high)


def letter_of(message: Message) -> Letter:
    """The letter that a consumed record is."""
    place = Place(str(message.topic()), int(message.partition() or 0), int(message.offset() or 0))
    return parse_letter(
        place, message.key(), message.value(), message.headers(), timestamp_ms=int(message.timestamp()[1])
    )


def read_letters(settings: KafkaSettings, places: Sequence[Place]) -> Mapping[Place, Letter | Lost]:
    """What stands at each place. Raises KafkaUnavailableError."""
    with RecordReader(settings, _CLIENT_ID) as reader:
        found = reader.read_messages(places, seconds_max=_READ_SECONDS_MAX)
    return {place: one if isinstance(one, Lost) else letter_of(one) for place, one in found.items()}
