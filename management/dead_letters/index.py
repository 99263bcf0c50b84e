"""The index of letters: one of all management processes notes in Postgres which letters there are, and whose.

A list of letters by tenant, webhook and time could only be read off the topics by reading all of them. The index holds
no byte of a letter. It is made of the topics alone: what is not in it is read again, and read twice it is the same.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient

from infra.errors import KafkaUnavailableError
from infra.kafka import admin_client
from infra.log import get_logger
from infra.postgres import Connection
from infra.queries import load_queries
from infra.settings import Settings
from infra.topics import topic_incarnations
from management.dead_letters.letters import LETTER_TOPICS, UNKNOWN, Letter, letter_id_of
from management.dead_letters.reading import (
    Partition,
    kafka_translated,
    kept_offsets,
    letter_consumer,
    letter_of,
    letter_partitions,
)
from management.leading import LedWork
from management.paging import LAST_US
from schemas.encoding import record_bytes
from schemas.records import ErrorCode

_QUERIES = load_queries(Path(__file__).parent / "index.sql")
_CLIENT_ID = "hookline-management-dead-letter-index"
_CONSUME_RECORDS_MAX = 500
_CONSUME_SECONDS = 0.2
#: In one step, so that the session is heard of; the next one goes on.
_READS_MAX = 10
#: What retention has deleted is taken out of the index so often; a topic made anew is noticed then, too.
_TIDY_STEPS = 60
_log = get_logger(__name__)


class DeadLetterIndex(LedWork):
    """The part `dead_letters`. Letters are in the index about a second after they were written."""

    name = "dead_letters"
    lock_key = 0x686C206C657474  # "hl lett"
    look_seconds = 1.0

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.postgres)
        self._kafka = settings.kafka
        self._admin: AdminClient = admin_client(settings.kafka, _CLIENT_ID)
        self._consumer: Consumer | None = None
        self._incarnations: dict[str, str] = {}
        self._steps = 0

    def begin(self) -> None:
        """Others may have noted letters since this process led last: where to go on is asked anew."""
        self._let_go()

    def step(self, connection: Connection) -> Sequence[str]:
        """Note what has come since. Raises KafkaUnavailableError and as Postgres does: it begins anew then."""
        try:
            if self._consumer is None or self._steps >= _TIDY_STEPS:
                self._go_on(connection)
            self._steps += 1
            assert self._consumer is not None  # noqa: S101 - it has begun
            for _ in range(_READS_MAX):
                letters = self._consume(self._consumer)
                if not letters:
                    break
                self._note(connection, letters)
        except BaseException:
            self._let_go()
            raise
        return ()

    def stop(self, timeout_seconds: float) -> None:
        """Leave what is not noted to another process."""
        super().stop(timeout_seconds)
        self._let_go()

    def _go_on(self, connection: Connection) -> None:
        """Take out what is gone, and go on behind the last letter that is noted."""
        consumer = self._consumer or letter_consumer(self._kafka, _CLIENT_ID)
        self._consumer, self._steps = consumer, 0
        self._incarnations = topic_incarnations(self._admin, LETTER_TOPICS)
        for topic, incarnation in self._incarnations.items():
            connection.execute(
                _QUERIES["delete_of_earlier_topic"].encode(), {"topic": topic, "incarnation": incarnation}
            )
        starts = [self._start(connection, consumer, partition) for partition in letter_partitions(consumer)]
        with kafka_translated():
            consumer.assign(starts)

    def _start(self, connection: Connection, consumer: Consumer, partition: Partition) -> TopicPartition:
        low, _ = kept_offsets(consumer, partition)
        place = {"topic": partition[0], "partition": partition[1], "first_kept": low}
        connection.execute(_QUERIES["delete_expired"].encode(), place)
        row = connection.execute(_QUERIES["read_next"].encode(), place).fetchone()
        return TopicPartition(*partition, OFFSET_BEGINNING if row is None else row["next_offset"])

    def _consume(self, consumer: Consumer) -> list[Letter]:
        with kafka_translated():
            messages = consumer.consume(_CONSUME_RECORDS_MAX, _CONSUME_SECONDS)
        letters = []
        for message in messages:
            error = message.error()
            if error is None:
                letters.append(letter_of(message))
            elif error.code() != KafkaError._PARTITION_EOF:
                raise KafkaUnavailableError(f"dead letters: {error.str()}")
        return letters

    def _note(self, connection: Connection, letters: Sequence[Letter]) -> None:
        rows = [_row(letter, self._incarnations[letter.place.topic]) for letter in letters]
        connection.execute(_QUERIES["insert_letters"].encode(), {"rows": record_bytes(rows).decode()})
        _log.info("dead_letters.indexed", letters=len(rows))

    def _let_go(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()


def _row(letter: Letter, incarnation: str) -> dict[str, Any]:
    owner, failure = letter.owner, letter.failure
    return {
        "tenant_id": owner.tenant_id,
        "topic": letter.place.topic,
        "partition": letter.place.partition,
        "record_offset": letter.place.offset,
        "incarnation": incarnation,
        "letter_id": letter_id_of(letter.place),
        "webhook_id": owner.webhook_id,
        "delivery_id": owner.delivery_id,
        "stage": UNKNOWN if failure is None else failure.stage,
        "code": ErrorCode.INTERNAL if failure is None else failure.code,
        "failed_us": min(max(letter.failed_at_us, 0), LAST_US),
        "record_bytes": len(letter.value),
    }
