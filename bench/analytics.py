"""Rows per second of the ClickHouse sink from a backlog, beside the floor.

The floor is the same records consumed, made into the same rows and inserted without plan, token or commit.

Run with `python -m bench.analytics [--records N]`; it starts a broker of its own and prints JSON.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
from confluent_kafka import Consumer, Message

from hookline.embedded.kafka import start_kafka
from infra.clickhouse import ClickHouse, migrate
from infra.clock import now_us
from infra.errors import KafkaUnavailableError
from infra.ids import uuid7_text
from infra.kafka import Outbox, PolledProducer, admin_client, consumer_properties
from infra.lag import LagReader
from infra.settings import ClickHouseSettings, Settings
from infra.topics import RECEIVED, RECORDED, apply_topics
from schemas import headers
from schemas.records import DeliveryRecord, DispatchStatus, RequestFacts
from sinks.clickhouse.core.outcomes import build_outcomes
from sinks.clickhouse.core.requests import build_requests
from sinks.clickhouse.core.rows import Source
from sinks.clickhouse.role import SUBSCRIPTIONS, AnalyticsRole

RECORDS = 400_000
BODY_BYTES = 500
_FLOOR_BATCH_RECORDS = 50_000
_WAIT_SECONDS_MAX = 300.0
# Asking costs processor time in the process that is measured.
_POLL_SECONDS = 0.2
_PROGRESS_STEPS_MIN = 4
_COUNT = "SELECT count() AS rows, countIf(dispatch_status = 'dispatched') AS done FROM deliveries FINAL"
_TENANT, _WEBHOOK = "0192f0c0-0000-7000-8000-000000000001", "0192f0c0-0000-7000-8000-0000000000aa"
_TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_FACTS = RequestFacts(
    method="POST",
    path="/api/inbound/acme/rmm-alerts",
    headers={"content-type": "application/json", "x-event": "alert.opened", "user-agent": "rmm/4.2"},
    source_ip="203.0.113.9",
    user_agent="rmm/4.2",
    content_type="application/json",
    ingress_us=700,
)


def measure(bootstrap: str, *, records: int = RECORDS) -> dict[str, Any]:
    """Rows per second from a backlog of `records`, half requests with bodies of 500 bytes and half their outcomes.

    Each side runs in a process of its own, as an embedded engine belongs to one process. The sink's rate is that
    between its first commit and its last but one; `first_commit_seconds` has the joining of groups in it,
    `whole_seconds` also the wait for a last batch that is not full.
    """
    settings = Settings.model_validate({"kafka": {"bootstrap": bootstrap}})
    apply_topics(settings.kafka, admin_client(settings.kafka, "bench"))
    _produce(settings, records)
    floor = _run_child("floor", bootstrap, records)
    sink = _run_child("sink", bootstrap, records)
    return {"records": records, "body_bytes": BODY_BYTES, **sink, **floor}


def _produce(settings: Settings, records: int) -> None:
    producer = PolledProducer(settings.kafka, client_id="bench", ack_timeout_seconds=60)
    outbox = Outbox(producer)
    received_at, facts = now_us(), orjson.dumps(_FACTS.model_dump())
    body = orjson.dumps({"alert": {"id": 1, "text": "disk almost full on server-7; " * 16}})[: BODY_BYTES - 1] + b"}"
    for _ in range(records // 2):
        delivery_id = uuid7_text(received_at)
        request = headers.DeliveryHeaders(
            delivery_id, _TENANT, _WEBHOOK, 1, received_at, facts, traceparent=_TRACEPARENT
        )
        outbox.send(RECEIVED, key=UUID(delivery_id).bytes, value=body, headers=headers.encode(request))
        outcome = DeliveryRecord(
            delivery_id=delivery_id,
            tenant_id=_TENANT,
            webhook_id=_WEBHOOK,
            received_at=received_at,
            recorded_at=received_at + 9_000,
            stage="actions",
            dispatch_status=DispatchStatus.DISPATCHED,
            handler_outcome={"ticket_id": delivery_id, "created": True},
        )
        outbox.send(RECORDED, key=delivery_id.encode(), value=outcome.model_dump_json().encode())
    outbox.wait(_WAIT_SECONDS_MAX)
    producer.close(10)


def _run_child(side: str, bootstrap: str, records: int) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "bench.analytics",
        "--side",
        side,
        "--bootstrap",
        bootstrap,
        "--records",
        str(records),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_WAIT_SECONDS_MAX)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _measure_sink(settings: Settings, clickhouse: ClickHouse, records: int) -> dict[str, Any]:
    readers = [LagReader(settings.kafka, s.group_id(settings.analytics), s.topics) for s in SUBSCRIPTIONS]
    role = AnalyticsRole(settings, clickhouse)
    cpu_started, started = time.process_time(), time.perf_counter()
    role.start()
    progress: list[tuple[float, int]] = []
    while not progress or progress[-1][1] < records:
        if time.perf_counter() - started > _WAIT_SECONDS_MAX:
            raise TimeoutError(f"the sink is not done: {role.health()}")
        time.sleep(_POLL_SECONDS)
        committed = records - _waiting(readers, records)
        if committed and (not progress or committed > progress[-1][1]):
            progress.append((time.perf_counter() - started, committed))
    cpu_seconds = time.process_time() - cpu_started
    role.stop(20)
    [row] = clickhouse.query(_COUNT)
    if (row["rows"], row["done"]) != (records // 2, records // 2):
        raise AssertionError(f"rows are missing: {row}")
    return {
        "rows_per_second": _steady_rate(progress),
        "first_commit_seconds": round(progress[0][0], 2),
        "whole_seconds": round(progress[-1][0], 2),
        "cpu_microseconds_per_row": round(cpu_seconds / records * 1e6, 1),
        "memory_bytes_max": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _steady_rate(progress: Sequence[tuple[float, int]]) -> int:
    """Rows/s from the first commit to the last but one: the last batches are not full and wait for more records."""
    if len(progress) < _PROGRESS_STEPS_MIN:
        raise ValueError(f"too few records: committed in {len(progress)} steps")
    (first_at, first), (last_at, last) = progress[0], progress[-2]
    return round((last - first) / (last_at - first_at))


def _waiting(readers: Sequence[LagReader], records: int) -> int:
    try:
        return sum(sum(reader.by_topic(timeout_seconds=10).values()) for reader in readers)
    except KafkaUnavailableError:  # a group that is used for the first time has no coordinator for a moment
        return records


def _measure_floor(settings: Settings, clickhouse: ClickHouse, records: int) -> dict[str, Any]:
    started = time.perf_counter()
    for topic, build in ((RECEIVED, build_requests), (RECORDED, build_outcomes)):
        consumer = Consumer(consumer_properties(settings.kafka, "floor", f"floor-{uuid4().hex[:8]}"))
        consumer.subscribe([topic])
        left = records // 2
        while left:
            messages = consumer.consume(min(left, _FLOOR_BATCH_RECORDS), 1.0)
            left -= len(messages)
            by_partition: dict[int, list[Message]] = defaultdict(list)
            for message in messages:
                by_partition[message.partition()].append(message)
            for partition, part in by_partition.items():
                for rows in build(part, Source(topic, "floor", partition)):
                    clickhouse.insert(rows.table, rows.columns)
        consumer.close()
    return {"floor_rows_per_second": round(records / (time.perf_counter() - started))}


def main() -> None:
    """Print what `measure` measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--side", choices=("floor", "sink"))
    parser.add_argument("--bootstrap")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hookline-bench-") as folder:
        if arguments.side is None:
            with start_kafka(Path(folder) / "kafka") as broker:
                print(json.dumps(measure(broker.bootstrap, records=arguments.records), indent=2))
            return
        settings = Settings.model_validate({"kafka": {"bootstrap": arguments.bootstrap}})
        clickhouse = ClickHouse(ClickHouseSettings(path=Path(folder) / "clickhouse"))
        migrate(clickhouse)
        side = _measure_sink if arguments.side == "sink" else _measure_floor
        print(json.dumps(side(settings, clickhouse, arguments.records)))
        clickhouse.close()


if __name__ == "__main__":
    main()
