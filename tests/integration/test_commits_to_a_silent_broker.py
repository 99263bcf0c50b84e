"""A broker that stands still while many consumers commit: each commit is answered, and every consumer goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from hookline.embedded.kafka import KafkaBroker, start_kafka
from infra.kafka import PolledProducer, admin_client, consumer_properties
from infra.settings import KafkaSettings
from infra.topics import RECEIVED, apply_topics
from tests.support.wait import eventually

pytestmark = pytest.mark.soak

#: With the client's own time-out some stood still in one run of three (up to 26 of 60): many, so that it is seen.
_CONSUMERS = 60
#: Longer than the cluster leaves a silent broker its place, shorter than the client waits for it by itself.
_STANDS_STILL_SECONDS = 20.0
_START_SECONDS_MAX, _GO_ON_SECONDS_MAX = 90.0, 60.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    with start_kafka(tmp_path / "kafka") as broker:
        yield broker


class _Committing:
    """A group of one member that commits what it reads, as soon as it has read it."""

    def __init__(self, kafka: KafkaSettings, number: int, stopping: threading.Event) -> None:
        self.committed_at = 0.0
        self._stopping = stopping
        session = {"session.timeout.ms": 6_000, "heartbeat.interval.ms": 1_200}
        cooperative = {"partition.assignment.strategy": "cooperative-sticky"}
        self._consumer = Consumer(consumer_properties(kafka, "test", f"commits-{number}") | session | cooperative)
        self._consumer.subscribe([RECEIVED])
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            found = [message for message in self._consumer.consume(50, 0.1) if message.error() is None]
            ends = {message.partition(): (message.offset() or 0) + 1 for message in found}
            if ends:
                self._commit([TopicPartition(RECEIVED, number or 0, end) for number, end in ends.items()])
        self._consumer.close()

    def _commit(self, positions: list[TopicPartition]) -> None:
        try:
            self._consumer.commit(offsets=positions, asynchronous=False)
        except KafkaException:
            return  # answered; what matters is that the next one succeeds
        self.committed_at = time.monotonic()


@pytest.mark.timeout(300)
def test_every_consumer_commits_again_after_its_broker_stood_still(broker: KafkaBroker) -> None:
    kafka, stopping = KafkaSettings(bootstrap=broker.bootstrap), threading.Event()
    apply_topics(kafka, admin_client(kafka, "test"))
    producer = PolledProducer(kafka, client_id="test", ack_timeout_seconds=60)
    consumers = [_Committing(kafka, number, stopping) for number in range(_CONSUMERS)]
    for consumer in consumers:
        consumer.thread.start()

    def all_commit_since(moment: float) -> bool:
        producer.produce(RECEIVED, key=os.urandom(4), value=b"x")
        return all(consumer.committed_at > moment for consumer in consumers)

    began = time.monotonic()
    eventually(lambda: all_commit_since(began), timeout_seconds=_START_SECONDS_MAX, what="all to commit")
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        time.sleep(_STANDS_STILL_SECONDS)
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    again = time.monotonic()
    eventually(lambda: all_commit_since(again), timeout_seconds=_GO_ON_SECONDS_MAX, what="all to commit again")
    stopping.set()
    producer.close(5)
