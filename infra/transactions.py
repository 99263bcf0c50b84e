"""Kafka transactions: batches that are there whole or not at all, from the one producer that began last.

A producer that begins under an id shuts out every other that began under it before: the broker refuses what such a one
still sends, also when it wakes up later. That is the fence which a lock elsewhere cannot give.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from confluent_kafka import KafkaException, Producer

from infra.errors import KafkaUnavailableError
from infra.kafka import Headers, producer_properties
from infra.settings import KafkaSettings

_QUEUE_FULL_WAIT_SECONDS = 0.1


class KeyedRecord(NamedTuple):
    """One record of a batch. A value of None deletes its key."""

    key: bytes
    value: bytes | None
    headers: Headers = ()


class FencedProducer:
    """Has begun once it is made. After any error it is of no more use: make another one.

    `timeout_seconds` bounds the beginning, each batch, and how long a batch that was left open by a process that died
    stands in the way of readers. Raises KafkaUnavailableError.
    """

    def __init__(
        self, settings: KafkaSettings, *, transactional_id: str, client_id: str, timeout_seconds: float
    ) -> None:
        properties = producer_properties(settings, client_id, ack_timeout_seconds=timeout_seconds)
        timeout_ms = int(timeout_seconds * 1_000)
        self._timeout_seconds = timeout_seconds
        self._producer = Producer(
            {**properties, "transactional.id": transactional_id, "transaction.timeout.ms": timeout_ms}
        )
        with _failures_translated("begin"):
            self._producer.init_transactions(timeout_seconds)

    def publish(self, topic: str, records: Sequence[KeyedRecord]) -> None:
        """Write records, in this order; returns when all are acknowledged and visible.

        Raises KafkaUnavailableError: then nobody knows whether they are there.
        """
        with _failures_translated(f"publish to {topic}"):
            self._producer.begin_transaction()
            for record in records:
                self._produce(topic, record)
            self._producer.commit_transaction(self._timeout_seconds)

    def close(self) -> None:
        """Let the connections go; what is not committed is never seen."""
        self._producer.purge()

    def _produce(self, topic: str, record: KeyedRecord) -> None:
        while True:
            try:
                self._producer.produce(topic, key=record.key, value=record.value, headers=list(record.headers))
                return
            except BufferError:
                self._producer.poll(_QUEUE_FULL_WAIT_SECONDS)


@contextmanager
def _failures_translated(doing: str) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise KafkaUnavailableError(f"{doing}: {error.args[0].str()}") from error
