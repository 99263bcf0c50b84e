"""Processor processes under load: feed requests, start, stop and kill workers, count what came out."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from confluent_kafka import Consumer, TopicPartition

from infra.kafka import Outbox, PolledProducer, consumer_properties
from infra.settings import KafkaSettings
from infra.topics import ACTIONS, RECEIVED, RECORDED
from tests.support.requests import MASTER_KEY, Request, alert_request
from tests.support.wait import eventually

GROUP = "hookline-processors"
_READ_SECONDS = 1.0
_LEAVE_SECONDS_MAX = 30.0
_PROGRAM = """
import os
from infra import log
log.configure(role="processors", level=os.environ.get("TEST_LOG_LEVEL", "info"))
from infra.settings import Settings
from processors.main import run
run(Settings())
"""


class Workers:
    """Processor processes on one broker, each with its own data folder."""

    program = _PROGRAM

    def __init__(self, kafka: KafkaSettings, folder: Path, **environment: str) -> None:
        self._kafka = kafka
        self._folder = folder
        self._environment = environment
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._leaving: set[str] = set()

    def start(self, name: str, **environment: str) -> None:
        """Start worker `name` (on its old data folder, if it had one), with `environment` above that of all."""
        previous = self._running.get(name)
        if previous is not None:
            previous.wait(_LEAVE_SECONDS_MAX)
            self._leaving.discard(name)
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        merged = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "HOOKLINE_KAFKA__BOOTSTRAP": self._kafka.bootstrap,
            "HOOKLINE_KAFKA__REQUEST_PARTITIONS": str(self._kafka.request_partitions),
            "HOOKLINE_DATA_DIR": str(folder),
            "HOOKLINE_MASTER_KEY": MASTER_KEY,
            "HOOKLINE_HEALTH__PORT": "0",
            "HOOKLINE_PROCESSORS__TRACE_LOG": str(folder / "trace"),
            "HOOKLINE_PROCESSORS__SESSION_TIMEOUT_SECONDS": "6",
            **self._environment,
            **environment,
        }
        with (folder / "log.jsonl").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-c", self.program], env=merged, stdout=log, stderr=log
            )

    def trace_of(self, name: str) -> Path:
        """The folder of a worker's trace logs, one per process."""
        return self._folder / name / "trace"

    def running(self) -> list[str]:
        """Names of the workers that are alive and were not told to leave."""
        return [name for name, process in self._running.items() if process.poll() is None and name not in self._leaving]

    def terminate(self, name: str) -> None:
        """SIGTERM, without waiting."""
        self._leaving.add(name)
        self._running[name].send_signal(signal.SIGTERM)

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self._running[name].kill()
        self._running[name].wait()

    def restart_dead(self) -> None:
        """Start again what ended by itself."""
        for name, process in list(self._running.items()):
            if process.poll() not in (None, 0, -signal.SIGKILL, -signal.SIGTERM):
                self.start(name)

    def stop_all(self) -> None:
        """End everything that was started."""
        for name, process in self._running.items():
            if process.poll() is None:
                self.kill(name)


@dataclass
class Feed:
    """Requests produced at a steady rate from a thread; a share repeats an earlier key."""

    producer: PolledProducer
    seed: int
    requests_per_second: int
    seconds: float
    repeat_share: float = 0.1
    sent: list[Request] = field(default_factory=list)

    def run(self) -> None:
        """Produce everything; returns when all of it is acknowledged."""
        randomness = random.Random(self.seed)
        outbox = Outbox(self.producer)
        started = time.monotonic()
        total = int(self.requests_per_second * self.seconds)
        for number in range(total):
            behind = number / self.requests_per_second - (time.monotonic() - started)
            if behind > 0.002:
                time.sleep(behind)
            repeats = self.sent and randomness.random() < self.repeat_share
            key = randomness.choice(self.sent).dedupe_key if repeats else f"alert-{self.seed}-{number}"
            request = alert_request(key)
            outbox.send(RECEIVED, **request.message)
            self.sent.append(request)
        outbox.wait(60)

    def start(self) -> threading.Thread:
        """Run in a thread."""
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        return thread


@dataclass(frozen=True)
class Outcome:
    """What came out of the processors."""

    requests: int
    keys: int
    lost: int
    keys_lost: int
    keys_twice: int
    in_two_ways: int
    action_records: int
    duplicate_records: int

    @property
    def exact(self) -> bool:
        """Nothing lost, nothing twice."""
        return not (self.lost or self.keys_lost or self.keys_twice or self.in_two_ways)


def wait_until_idle(kafka: KafkaSettings, timeout_seconds: float = 150.0) -> None:
    """Until the group has committed the end of the raw topic."""
    consumer = Consumer(consumer_properties(kafka, "test-watch", GROUP))
    try:
        partitions = [TopicPartition(RECEIVED, number) for number in range(kafka.request_partitions)]

        def lag() -> int:
            committed = consumer.committed(partitions, timeout=20)
            ends = [consumer.get_watermark_offsets(tp, timeout=20)[1] for tp in partitions]
            return sum(end - max(tp.offset, 0) for tp, end in zip(committed, ends, strict=True))

        eventually(lambda: lag() == 0, timeout_seconds=timeout_seconds, what="the processors' lag to reach 0")
    finally:
        consumer.close()


def read_all(kafka: KafkaSettings, topic: str) -> list[dict[str, object]]:
    """Values of every record of a JSON topic, from its beginning to its end of now."""
    consumer = Consumer(consumer_properties(kafka, "test-read", "test-read") | {"enable.partition.eof": True})
    try:
        numbers = consumer.list_topics(topic, timeout=20).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
        remaining, values = set(numbers), []
        while remaining:
            for message in consumer.consume(10_000, _READ_SECONDS):
                if message.error() is not None:
                    remaining.discard(message.partition())
                else:
                    values.append(orjson.loads(message.value()))
        return values
    finally:
        consumer.close()


def count(kafka: KafkaSettings, sent: list[Request]) -> Outcome:
    """Hold what was sent against every action and every recorded outcome."""
    key_of = {request.delivery_id: request.dedupe_key for request in sent}
    actions = Counter(str(value["delivery_id"]) for value in read_all(kafka, ACTIONS))
    recorded = Counter(str(value["delivery_id"]) for value in read_all(kafka, RECORDED))
    deliveries_by_key: dict[str, set[str]] = {}
    for delivery_id in actions:
        deliveries_by_key.setdefault(key_of[delivery_id], set()).add(delivery_id)
    keys = set(key_of.values())
    return Outcome(
        requests=len(key_of),
        keys=len(keys),
        lost=sum(1 for delivery_id in key_of if delivery_id not in actions and delivery_id not in recorded),
        keys_lost=len(keys - set(deliveries_by_key)),
        keys_twice=sum(1 for deliveries in deliveries_by_key.values() if len(deliveries) > 1),
        in_two_ways=len(set(actions) & set(recorded)),
        action_records=actions.total(),
        duplicate_records=recorded.total(),
    )


def shake(workers: Workers, randomness: random.Random, seconds: float) -> list[str]:
    """Joins, clean leaves and kills at random times: 1 worker, up to 3, back to 1. Returns what was done."""
    done: list[str] = ["start w0"]
    workers.start("w0")
    ends_at = time.monotonic() + seconds
    names = iter(f"w{number}" for number in range(1, 1_000))
    while time.monotonic() < ends_at:
        time.sleep(randomness.uniform(0.5, 5.0))
        running = workers.running()
        choice = randomness.random()
        if len(running) < 3 and (choice < 0.45 or len(running) <= 1):
            name = next(names) if randomness.random() < 0.6 or len(running) == 0 else _rejoining(done, running, names)
            workers.start(name)
            done.append(f"start {name}")
        elif choice < 0.7:
            name = randomness.choice(running)
            workers.terminate(name)
            done.append(f"terminate {name}")
        else:
            name = randomness.choice(running)
            workers.kill(name)
            done.append(f"kill {name}")
        workers.restart_dead()
    if not workers.running():
        workers.start("last")
        done.append("start last")
    return done


def _rejoining(done: list[str], running: list[str], names: Iterator[str]) -> str:
    """A worker that was here before and comes back to its old data folder, else a new one."""
    gone = [entry.split()[1] for entry in done if not entry.startswith("start")]
    return next((name for name in reversed(gone) if name not in running), None) or next(names)
