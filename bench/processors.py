"""Requests per second through the processors, beside a floor in the same run, and table recovery.

- `floor`: the same batch host, broker and records, with a handler that only counts (fetch, hand out, commit).
- `processors`: decode, dedupe against the table, map five fields, coerce, route; every output and changelog record
  acknowledged before the position moves. One process, then two.
- `recovery`: the table rebuilt from its changelog by a process that has nothing.

Run with `python -m bench.processors [--records N]`; it starts brokers of its own and prints JSON.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from bench.requests import MASTER_KEY, publish, requests
from hookline.embedded.kafka import start_kafka
from infra import log
from infra.kafka import Outbox, PolledProducer, admin_client, consumer_properties
from infra.settings import KafkaSettings, Settings
from infra.topics import ACTIONS, RECEIVED, RECORDED, apply_topics, topic_partitions
from infra.webhooks import WebhookTable
from processors.host.lease import Batch
from processors.host.publisher import Outputs
from processors.host.table import PartitionTable, TableWrites
from processors.main import HandlerFactory, create_pipeline, run

_FIRST_SHARE, _LAST_SHARE = 0.15, 0.95
_TIMEOUT_SECONDS = 180.0
_POLL_SECONDS = 0.05


class FloorHandler:
    """Receives batches and does nothing with them."""

    async def handle(self, batch: Batch, outputs: Outputs, writes: TableWrites) -> None:
        """Nothing."""

    def expire(self, table: PartitionTable, writes: TableWrites) -> None:
        """Nothing."""


def _create_floor(_settings: Settings, _webhooks: WebhookTable, _admin: AdminClient) -> FloorHandler:
    return FloorHandler()


class Bench:
    """A broker with `records` requests in the raw topic, and processors that read them."""

    def __init__(self, folder: Path, bootstrap: str, records: int) -> None:
        self._folder = folder
        self.kafka = KafkaSettings(bootstrap=bootstrap)
        self._records = records
        self._watcher = Consumer(consumer_properties(self.kafka, "bench", "bench"))
        self._admin = admin_client(self.kafka, "bench")
        apply_topics(self.kafka, self._admin)
        producer = PolledProducer(self.kafka, client_id="bench", ack_timeout_seconds=60, properties={"linger.ms": 20})
        publish(producer)
        outbox = Outbox(producer)
        for message in requests(records):
            outbox.send(RECEIVED, **message)
        outbox.wait(120)
        producer.close(5)

    def rate(self, processes: int, *, group: str, floor: bool = False) -> dict[str, Any]:
        """Requests/s between 15 % and 95 % of the records, with the processes' memory and CPU."""
        started_at = self._position(group, floor=floor)
        with self._running(processes, group, floor=floor) as running:
            first = self._await(group, started_at + int(self._records * _FIRST_SHARE), floor=floor)
            last = self._await(group, started_at + int(self._records * _LAST_SHARE), floor=floor)
            seconds = last[0] - first[0]
            used = [psutil.Process(process.pid) for process in running]
            return {
                "requests_per_second": round((last[1] - first[1]) / seconds),
                "seconds": round(seconds, 2),
                "resident_mebibytes": [round(process.memory_info().rss / 2**20) for process in used],
                "cpu_seconds": [round(sum(process.cpu_times()[:2]), 2) for process in used],
            }

    def recovery(self, group: str) -> dict[str, Any]:
        """Changelog records/s of a process that starts with an empty data folder."""
        with self._running(1, group, name="recovery"):
            line = self._log_line("recovery-0", "table.restored")
        return {
            "records": line["records"],
            "seconds": line["seconds"],
            "records_per_second": round(line["records"] / max(line["seconds"], 1e-9)),
        }

    def close(self) -> None:
        """Let go of the broker."""
        self._watcher.close()

    @contextmanager
    def _running(
        self, processes: int, group: str, *, floor: bool = False, name: str = "worker"
    ) -> Iterator[list[subprocess.Popen[bytes]]]:
        started: list[subprocess.Popen[bytes]] = []
        try:
            for number in range(processes):
                folder = self._folder / f"{name}-{number}"
                environment = os.environ | {
                    "HOOKLINE_KAFKA__BOOTSTRAP": self.kafka.bootstrap,
                    "HOOKLINE_DATA_DIR": str(folder),
                    "HOOKLINE_MASTER_KEY": MASTER_KEY,
                    "HOOKLINE_HEALTH__PORT": "0",
                    "HOOKLINE_PROCESSORS__GROUP_ID": group,
                }
                command = [sys.executable, "-m", "bench.processors", "--floor-worker" if floor else "--worker"]
                with (self._folder / f"{name}-{number}.log").open("ab") as output:
                    started.append(subprocess.Popen(command, env=environment, stdout=output, stderr=output))
            yield started
        finally:
            for process in started:
                process.send_signal(signal.SIGTERM)
            for process in started:
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()

    def _await(self, group: str, position: int, *, floor: bool) -> tuple[float, int]:
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            reached = self._position(group, floor=floor)
            if reached >= position:
                return time.monotonic(), reached
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(
            f"{group}: {self._position(group, floor=floor)} of {position} after {_TIMEOUT_SECONDS:.0f} s"
        )

    def _position(self, group: str, *, floor: bool) -> int:
        """Outputs written, or for the floor (which has none) offsets committed."""
        if floor:
            consumer = Consumer(consumer_properties(self.kafka, "bench", group))
            tps = [TopicPartition(RECEIVED, number) for number in range(self.kafka.request_partitions)]
            try:
                return sum(max(tp.offset, 0) for tp in consumer.committed(tps, timeout=20))
            finally:
                consumer.close()
        counts = topic_partitions(self._admin, [ACTIONS, RECORDED])
        return sum(
            self._watcher.get_watermark_offsets(TopicPartition(topic, number), timeout=20)[1]
            for topic, count in counts.items()
            for number in range(count)
        )

    def _log_line(self, name: str, event: str) -> dict[str, Any]:
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        path = self._folder / f"{name}.log"
        while time.monotonic() < deadline:
            for line in path.read_text().splitlines() if path.exists() else []:
                if f'"{event}"' in line:
                    found: dict[str, Any] = json.loads(line)
                    return found
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(f"{name}: no {event} in its log")


def measure(records: int = 400_000) -> dict[str, Any]:
    """All figures, from brokers of their own (one for each number of processes, so that tables start empty)."""
    figures: dict[str, Any] = {"records": records}
    for processes in (1, 2):
        with tempfile.TemporaryDirectory() as name, start_kafka(Path(name) / "kafka") as broker:
            bench = Bench(Path(name), broker.bootstrap, records)
            figures[f"processors_{processes}"] = bench.rate(processes, group="hookline-bench")
            if processes == 1:
                figures["floor_1"] = bench.rate(1, group="hookline-bench-floor", floor=True)
                figures["recovery"] = bench.recovery("hookline-bench")
            bench.close()
    real, floor = figures["processors_1"]["requests_per_second"], figures["floor_1"]["requests_per_second"]
    figures["share_of_floor"] = round(real / floor, 3)
    return figures


def main() -> None:
    """Measure, or be one of the measured processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=400_000)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--floor-worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker or arguments.floor_worker:
        log.configure(role="processors")
        create: HandlerFactory = _create_floor if arguments.floor_worker else create_pipeline
        run(Settings(), create)
        return
    print(json.dumps(measure(arguments.records), indent=2))


if __name__ == "__main__":
    main()
