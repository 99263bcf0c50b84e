"""An action sink on a real Kafka and a real Postgres: one test's database and group, and what the sink wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from hookline.embedded.kafka import KafkaBroker, start_kafka
from infra.actions.registry import ActionRegistry
from infra.kafka import Outbox, PolledProducer, admin_client, consumer_properties
from infra.settings import Settings
from infra.topics import ACTION_DEAD_LETTERS, ACTIONS, EXPEDITED_ACTIONS, RECORDED, RELEASED, apply_topics
from schemas.records import DeliveryRecord
from sinks.actions.role import ActionsRole
from tests.support.actions import TRACE_HEADERS, ActionBase, builtin_registry
from tests.support.offsets import ends_of
from tests.support.wait import eventually

WAIT_SECONDS = 60.0
OUTPUTS = (RECORDED, RELEASED, ACTION_DEAD_LETTERS)


@dataclass
class Stage:
    """A broker, one test's database and group, and what was produced since the test began."""

    base: ActionBase
    settings: Settings
    producer: PolledProducer
    consumer: Consumer
    seen: list[Message] = field(default_factory=list)

    def send(self, *requests: Mapping[str, Any] | bytes, topic: str = ACTIONS) -> None:
        """Produce action records, keyed by delivery."""
        outbox = Outbox(self.producer)
        for request in requests:
            value = request if isinstance(request, bytes) else orjson.dumps(request)
            key = b"raw" if isinstance(request, bytes) else request["delivery_id"].encode()
            outbox.send(topic, key=key, value=value, headers=TRACE_HEADERS)
        outbox.wait(WAIT_SECONDS)

    def produced(self, topic: str, at_least: int) -> list[Message]:
        """What the sink wrote to `topic`, once there are `at_least` messages."""

        def enough() -> list[Message] | None:
            self.seen += [message for message in self.consumer.consume(500, 0.05) if message.error() is None]
            found = [message for message in self.seen if message.topic() == topic]
            return found if len(found) >= at_least else None

        return eventually(enough, timeout_seconds=WAIT_SECONDS, what=f"{at_least} messages in {topic}") or []

    def outcomes(self, at_least: int) -> dict[str, list[DeliveryRecord]]:
        """Outcome records by delivery id, once `at_least` deliveries have one."""

        def enough() -> dict[str, list[DeliveryRecord]] | None:
            by_delivery: dict[str, list[DeliveryRecord]] = {}
            for message in self.produced(RECORDED, 1):
                record = DeliveryRecord.model_validate_json(message.value() or b"")
                by_delivery.setdefault(record.delivery_id, []).append(record)
            return by_delivery if len(by_delivery) >= at_least else None

        return eventually(enough, timeout_seconds=WAIT_SECONDS, what=f"outcomes of {at_least} deliveries") or {}

    def end_of(self, topic: str) -> int:
        """How many records the topic has ever got. Asked elsewhere: `consumer` answers only between two fetches."""
        consumer = Consumer(consumer_properties(self.settings.kafka, "test", "none"))
        try:
            return sum(partition.offset for partition in end_offsets(consumer)[topic])
        finally:
            consumer.close()

    def committed(self) -> int:
        """How many records the group has committed since the test began."""
        properties = consumer_properties(self.settings.kafka, "test", self.settings.actions.group_id)
        consumer = Consumer(properties)
        try:
            partitions = [TopicPartition(ACTIONS, number) for number in range(4)]
            return sum(max(p.offset, 0) for p in consumer.committed(partitions, timeout=10))
        finally:
            consumer.close()

    @contextmanager
    def role(self, registry: ActionRegistry | None = None, lane: str = "all") -> Iterator[ActionsRole]:
        """A running role."""
        actions = self.settings.actions.model_copy(update={"lane": lane})
        role = ActionsRole(self.settings.model_copy(update={"actions": actions}), registry or builtin_registry())
        role.start()
        try:
            yield role
        finally:
            role.stop(20)
            assert not role.health().ready

    @contextmanager
    def process(self) -> Iterator[subprocess.Popen[bytes]]:
        """A role in a process of its own, for kill -9."""
        plain = self.settings.model_dump(mode="json", exclude={"postgres", "master_key", "clickhouse"})
        settings = json.dumps(plain | {"postgres": {"dsn": self.base.dsn}})
        command = [sys.executable, "-m", "tests.support.actions", settings]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def broker(stack_folder: Path) -> Iterator[KafkaBroker]:
    with start_kafka(stack_folder / f"kafka-of-actions-{uuid4().hex[:8]}") as broker:
        settings = Settings.model_validate({"kafka": {"bootstrap": broker.bootstrap}})
        apply_topics(settings.kafka, admin_client(settings.kafka, "test"))
        eventually(lambda: leaders_answer(settings), timeout_seconds=WAIT_SECONDS, what="leaders of the new topics")
        yield broker


def leaders_answer(settings: Settings) -> bool:
    """Whether every new partition is served: a leader may be named before it knows of it."""
    consumer = Consumer(consumer_properties(settings.kafka, "test", "none"))
    try:
        return bool(end_offsets(consumer))
    except KafkaException:
        return False
    finally:
        consumer.close()


def end_offsets(consumer: Consumer) -> dict[str, list[TopicPartition]]:
    """The end of every partition that the sink reads or writes."""
    return ends_of(consumer, (*OUTPUTS, ACTIONS, EXPEDITED_ACTIONS))


@contextmanager
def open_stage(bootstrap: str, dsn: str) -> Iterator[Stage]:
    actions = {"group_id": f"actions-{uuid4().hex}", "session_timeout_seconds": 6, "batch_records_max": 100}
    settings = Settings.model_validate(
        {"kafka": {"bootstrap": bootstrap}, "postgres": {"dsn": dsn}, "actions": actions}
    )
    consumer = Consumer(consumer_properties(settings.kafka, "test", f"test-{uuid4().hex}"))
    starts = end_offsets(consumer)
    group = Consumer(consumer_properties(settings.kafka, "test", settings.actions.group_id))
    group.commit(
        offsets=[*starts[ACTIONS], *starts[EXPEDITED_ACTIONS]], asynchronous=False
    )  # earlier tests' records are not this one's
    group.close()
    consumer.assign([partition for topic in OUTPUTS for partition in starts[topic]])
    producer = PolledProducer(settings.kafka, client_id="test", ack_timeout_seconds=WAIT_SECONDS)
    try:
        yield Stage(ActionBase.prepare(dsn), settings, producer, consumer)
    finally:
        producer.close(5)
        consumer.close()


@pytest.fixture
def stage(broker: KafkaBroker, database_dsn: str) -> Iterator[Stage]:
    with open_stage(broker.bootstrap, database_dsn) as stage:
        yield stage
