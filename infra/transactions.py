"""Kafka transactions: batches that are there whole or not at all, from the one producer that began last.

A producer that begins under an id shuts out every other that began under it before: the broker refuses what such a one
still sends, also when it wakes up later. That is the fence which a lock elsewhere cannot give.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import KafkaException, Producer

from infra.errors import KafkaUnavailableError
from infra.kafka import producer_properties
from infra.settings import KafkaSettings

_QUEUE_FULL_WAIT_SECONDS = 0.1

Records = Sequence[tuple[bytes, bytes | None]]


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

    def publish(self, topic: str, records: Records) -> None:
        """Write (key, value) pairs, in this order; returns when all are acknowledged and visible.

        A value of None deletes its key. Raises KafkaUnavailableError: then nobody knows whether they are there.
        """
        with _failures_translated(f"publish to {topic}"):
            self._producer.begin_transaction()
            for key, value in records:
                self._produce(topic, key, value)
            self._producer.commit_transaction(self._timeout_seconds)

    def close(self) -> None:
        """Let the connections go; what is not committed is never seen."""
        self._producer.purge()

    def _produce(self, topic: str, key: bytes, value: bytes | None) -> None:
        while True:
            try:
                self._producer.produce(topic, key=key, value=value)
                return
            except BufferError:
                self._producer.poll(_QUEUE_FULL_WAIT_SECONDS)


@contextmanager
def _failures_translated(doing: str) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise KafkaUnavailableError(f"{doing}: {error.args[0].str()}") from error
