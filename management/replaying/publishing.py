"""Records put into the raw topics, acknowledged: one or a batch."""

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from confluent_kafka import Message

from infra.kafka import Outbox, PolledProducer
from infra.settings import KafkaSettings
from management.replaying.places import Place
from management.webhook_tests.records import RawRecord
from schemas.headers import encode

#: What is not acknowledged by then never will be: the client gives it up.
ACK_SECONDS_MAX = 8.0
_CLOSE_SECONDS = 2.0


class RecordPublisher:
    """One producer, made at the first record and again after a fatal error. Safe to share between threads."""

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._producer: PolledProducer | None = None
        self._choosing = threading.Lock()

    def publish(self, records: Sequence[RawRecord]) -> list[Place]:
        """Where each record stands; returns when all are acknowledged. In a partition they keep this order.

        Raises KafkaUnavailableError: then nobody knows which of them are written, but no more will be.
        """
        return self.publish_messages([(record.topic, message_of(record)) for record in records])

    def publish_messages(self, messages: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Place]:
        """The same of messages of any topics: key, value and headers as confluent-kafka takes them."""
        outbox = Outbox(self._usable_producer())
        places: dict[int, Place] = {}
        try:
            for number, (topic, message) in enumerate(messages):
                outbox.send(topic, note=partial(_note, places, number), **message)
        finally:
            outbox.wait(ACK_SECONDS_MAX + 1)
        return [places[number] for number in range(len(messages))]

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
                    self._settings, client_id=self._client_id, ack_timeout_seconds=ACK_SECONDS_MAX
                )
            return self._producer


def message_of(record: RawRecord) -> dict[str, Any]:
    """As confluent-kafka takes it."""
    message: dict[str, Any] = {
        "key": record.key,
        "value": record.value,
        "headers": encode(record.headers),
        "timestamp": record.headers.received_at_us // 1_000,
    }
    return message if record.partition is None else {**message, "partition": record.partition}


def _note(places: dict[int, Place], number: int, written: Message) -> None:
    places[number] = Place(str(written.topic()), int(written.partition()), int(written.offset()))
