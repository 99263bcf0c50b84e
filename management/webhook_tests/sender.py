"""Putting a test into the raw topic, acknowledged."""

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, Message

from infra.errors import KafkaUnavailableError
from infra.kafka import PolledProducer
from infra.settings import KafkaSettings
from management.webhook_tests.records import RawRecord
from schemas.headers import encode

_CLIENT_ID = "hookline-management-tests"
_ACK_SECONDS_MAX = 8.0
_CLOSE_SECONDS = 2.0


class RecordPlace(NamedTuple):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int


class RecordSender:
    """One producer, made at the first test and again after a fatal error. Safe to share between threads."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: PolledProducer | None = None
        self._choosing = threading.Lock()

    def send(self, record: RawRecord) -> RecordPlace:
        """Returns with the acknowledgement. Raises KafkaUnavailableError; whether it was written is not known then."""
        reported: Future[RecordPlace] = Future()

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error is None:
                reported.set_result(RecordPlace(str(message.topic()), int(message.partition()), int(message.offset())))
            else:
                reported.set_exception(KafkaUnavailableError(f"produce to {record.topic}: {error.str()}"))

        message: dict[str, Any] = {
            "key": record.key,
            "value": record.value,
            "headers": encode(record.headers),
            "timestamp": record.headers.received_at_us // 1_000,
        }
        self._usable_producer().produce(record.topic, on_delivery=on_delivery, **message)
        try:
            return reported.result(_ACK_SECONDS_MAX + 1)
        except FutureTimeoutError as error:
            raise KafkaUnavailableError(f"produce to {record.topic}: not acknowledged in time") from error

    def close(self) -> None:
        """Let the connections go."""
        with self._choosing:
            if self._producer is not None:
                self._producer.close(_CLOSE_SECONDS)

    def _usable_producer(self) -> PolledProducer:
        with self._choosing:
            if self._producer is not None and self._producer.fatal_error is not None:
                self._producer.close(0)
                self._producer = None
            if self._producer is None:
                self._producer = PolledProducer(
                    self._settings, client_id=_CLIENT_ID, ack_timeout_seconds=_ACK_SECONDS_MAX
                )
            return self._producer
