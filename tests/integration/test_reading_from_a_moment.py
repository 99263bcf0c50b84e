"""Readers that begin at a moment: what is written while they look up where that is, they read too."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any
from uuid import UUID, uuid4

import pytest
from confluent_kafka import Consumer

from hookline.embedded.kafka import KafkaBroker
from infra.clock import MICROSECONDS, now_us
from infra.kafka import Outbox, PolledProducer, admin_client, consumer_properties
from infra.settings import KafkaSettings
from infra.topics import EXPEDITED, RECEIVED, REQUEST_DEAD_LETTERS, apply_topics
from management.alerting.dead_letters import DeadLetters
from management.dead_letters.letters import LETTER_TOPICS
from management.webhook_samples.reader import RawReader
from tests.support.dead_letters import request_letter, write_letters
from tests.support.offsets import ends_of
from tests.support.wait import eventually

#: Nothing that other tests wrote is so young; a broker takes what is an hour younger than it should be at most.
LATER_US = 600 * MICROSECONDS
#: So far back letters are counted.
KEPT_MINUTES = 360
WAIT_SECONDS = 60.0


class Written:
    """A consumer; `write` writes something after each of its answers where a time is in the topics."""

    def __init__(self, consumer: Any, write: Callable[[], None]) -> None:
        self._consumer = consumer
        self._write = write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def offsets_for_times(self, *arguments: Any, **named: Any) -> Any:
        found = self._consumer.offsets_for_times(*arguments, **named)
        self._write()
        return found


@pytest.fixture
def settings(kafka: KafkaBroker) -> KafkaSettings:
    made = KafkaSettings(bootstrap=kafka.bootstrap)
    apply_topics(made, admin_client(made, "test"))
    with closing(Consumer(consumer_properties(made, "test", "test"))) as consumer:
        ends_of(consumer, [RECEIVED, EXPEDITED, *LETTER_TOPICS])  # topics that are new have no leader for a moment
    return made


def test_a_sample_is_looked_for_in_a_body_that_comes_while_the_place_to_begin_is_looked_up(
    settings: KafkaSettings,
) -> None:
    reader, at_us, body = RawReader(settings), now_us() + LATER_US, uuid4().hex.encode()

    def write() -> None:
        producer = PolledProducer(settings, client_id="test", ack_timeout_seconds=WAIT_SECONDS)
        outbox = Outbox(producer)
        outbox.send(RECEIVED, key=body, value=body, timestamp=at_us // 1_000)
        outbox.wait(WAIT_SECONDS)
        producer.close(5)

    reader._consumer = Written(reader._consumer, write)
    try:
        reader.rewind(at_us)
        eventually(
            lambda: body in {message.value() for message in reader.read()},
            timeout_seconds=WAIT_SECONDS,
            what="the body to be read",
        )
    finally:
        reader.close()


def test_a_letter_that_comes_while_the_place_to_begin_is_looked_up_is_counted(settings: KafkaSettings) -> None:
    letters, at_us, tenant_id, webhook_id = DeadLetters(settings), now_us() + LATER_US, uuid4(), uuid4()
    now = at_us + KEPT_MINUTES * 60 * MICROSECONDS

    def write() -> None:
        topic, message = request_letter(str(tenant_id), str(webhook_id))
        write_letters(settings, [(topic, {**message, "timestamp": at_us // 1_000})])

    letters._consumer = Written(letters._consumer, write)
    owner: tuple[UUID | None, UUID | None, str] = (tenant_id, webhook_id, REQUEST_DEAD_LETTERS)
    try:
        eventually(
            lambda: letters.read(now) and letters.counts(KEPT_MINUTES + 1, now)[owner] == 1,
            timeout_seconds=WAIT_SECONDS,
            what="the letter to be counted",
        )
    finally:
        letters.close()
