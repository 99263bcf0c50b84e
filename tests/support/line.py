"""Receiver, processors, action sinks, Kafka and Postgres, all real and each its own process: for tests that follow
requests to their effects. Faster to start than a whole stack, and every part can be killed by itself."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from confluent_kafka import Consumer

from hookline.embedded.kafka import start_kafka
from hookline.embedded.postgres import PostgresServer
from infra.kafka import Outbox, PolledProducer, consumer_properties
from infra.settings import KafkaSettings, Settings
from infra.topics import RECORDED
from schemas.records import DeliveryRecord
from schemas.webhooks import WebhookConfig
from tests.support.actions import ActionBase
from tests.support.ingress import (
    MASTER_KEY,
    HttpAnswer,
    Publisher,
    RunningIngress,
    await_status,
    publishing,
    running_ingress,
    signed,
)
from tests.support.offsets import ends_of
from tests.support.processors import Workers
from tests.support.stack import new_database
from tests.support.wait import eventually

_WAIT_SECONDS = 90.0
RATE_MAX = 60_000
Probe = Callable[[WebhookConfig, bytes], bytes]
_ROOT = Path(__file__).resolve().parents[2]


class OutcomeWatch:
    """Reads every outcome written after it was made, on a thread of its own."""

    def __init__(self, kafka: KafkaSettings) -> None:
        #: Delivery → its outcomes, each with the monotonic second at which it was seen.
        self.seen: dict[str, list[tuple[float, bytes]]] = {}
        self._consumer = Consumer(consumer_properties(kafka, "test-outcomes", f"test-{uuid4().hex}"))
        self._consumer.assign(ends_of(self._consumer, [RECORDED])[RECORDED])
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def await_outcomes(self, deliveries: Sequence[str], *, timeout_seconds: float = _WAIT_SECONDS) -> None:
        """Until each delivery has one."""

        def all_seen() -> bool:
            time.sleep(0.05)
            return all(delivery in self.seen for delivery in deliveries)

        eventually(all_seen, timeout_seconds=timeout_seconds, what=f"outcomes of {len(deliveries)} deliveries")

    def of(self, delivery: str) -> DeliveryRecord:
        """The first outcome of a delivery."""
        return DeliveryRecord.model_validate_json(self.seen[delivery][0][1])

    def close(self) -> None:
        """Stop reading."""
        self._stopping.set()
        self._thread.join(10)
        self._consumer.close()

    def _read(self) -> None:
        while not self._stopping.is_set():
            messages = self._consumer.consume(2_000, 0.05)
            at = time.monotonic()
            for message in messages:
                if message.error() is None:
                    self.seen.setdefault((message.key() or b"").decode(), []).append((at, message.value() or b""))


@dataclass
class Line:
    """Everything between a sender and a ticket. One receiver runs; processors and sinks are a test's to start."""

    base: ActionBase
    publisher: Publisher
    ingress: RunningIngress
    workers: Workers
    outcomes: OutcomeWatch
    _sinks: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def kafka(self) -> KafkaSettings:
        return self.publisher.settings.kafka

    @property
    def producer(self) -> PolledProducer:
        return self.publisher.producer

    def webhook(self, slug: str, *, probe: Probe = signed, **config: Any) -> WebhookConfig:
        """A new webhook, in force at the receiver. `probe` makes a proven request of a body."""
        made = self.publisher.webhook(f"{slug}-{uuid4().hex[:8]}", rate_limit_per_minute=RATE_MAX, **config)
        self.base.register(UUID(made.webhook_id))
        self.publisher.publish(made)
        # A body that is no JSON is answered 400 to a sender that has proven itself.
        await_status(self.ingress, probe(made, b"{"), 400)
        return made

    def send(self, config: WebhookConfig, body: Mapping[str, Any], *lines: str) -> HttpAnswer:
        """One signed request on a connection of its own."""
        return self.ingress.send(signed(config, json.dumps(body).encode(), *lines))

    def run(self, *workers: str) -> None:
        """Have a sink and these processors run; what runs already goes on."""
        for name in workers:
            if name not in self.workers.running():
                self.workers.start(name)
        if not self._sinks:
            self.start_sink()

    def start_sink(self, name: str = "sink", **actions: Any) -> None:
        """An action sink in a process of its own."""
        settings = Settings.model_validate({"kafka": self.kafka, "actions": {"session_timeout_seconds": 6, **actions}})
        plain = settings.model_dump(mode="json", exclude={"postgres", "master_key", "clickhouse"})
        shown = json.dumps(plain | {"postgres": {"dsn": self.base.dsn}})
        command = [sys.executable, "-m", "tests.support.actions", shown]
        output = subprocess.DEVNULL
        self._sinks[name] = subprocess.Popen(command, cwd=_ROOT, stdout=output, stderr=output)

    def kill_sink(self, name: str = "sink") -> None:
        """SIGKILL, if it runs."""
        process = self._sinks.pop(name, None)
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()

    def produce(self, topic: str, messages: Sequence[Mapping[str, Any]]) -> None:
        """Write records as they are, all acknowledged."""
        outbox = Outbox(self.producer)
        for message in messages:
            outbox.send(topic, **message)
        outbox.wait(_WAIT_SECONDS)

    def stop_all(self) -> None:
        """End processors and sinks."""
        self.workers.stop_all()
        for name in list(self._sinks):
            self.kill_sink(name)


@contextmanager
def open_line(folder: Path, postgres_dsn: str) -> Iterator[Line]:
    """A broker, a database and a receiver of its own."""
    own = folder / f"line-{uuid4().hex[:8]}"
    with start_kafka(own / "kafka") as broker, new_database(postgres_dsn) as dsn:
        base = ActionBase.prepare(dsn)
        with publishing(broker.bootstrap) as publisher:
            publisher.tenant_id = str(base.tenant.tenant_id)
            workers = Workers(publisher.settings.kafka, own / "workers", HOOKLINE_MASTER_KEY=MASTER_KEY)
            with running_ingress(broker.bootstrap) as ingress:
                line = Line(base, publisher, ingress, workers, OutcomeWatch(publisher.settings.kafka))
                try:
                    yield line
                finally:
                    line.stop_all()
                    line.outcomes.close()


@pytest.fixture(scope="module")
def line(stack_folder: Path, postgres: PostgresServer) -> Iterator[Line]:
    """One for the tests of a module."""
    with open_line(stack_folder, postgres.dsn) as opened:
        yield opened
