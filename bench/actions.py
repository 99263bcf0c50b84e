"""Tickets per second of one action sink, beside the floor: the same records consumed and only inserted as they are.

Run with `python -m bench.actions [--records N]`; it starts a broker and a Postgres of its own and prints JSON.
"""

import argparse
import json
import subprocess
import sys
import time
from typing import Any
from uuid import uuid4

import orjson
import psutil
import psycopg
from confluent_kafka import Consumer

from bench.folders import own_folder
from hookline.embedded.kafka import start_kafka
from hookline.embedded.postgres import start_postgres
from infra.kafka import Outbox, PolledProducer, admin_client, consumer_properties
from infra.settings import Settings
from infra.topics import ACTIONS, apply_topics
from schemas.keys import entity_key
from tests.support.actions import TRACE_HEADERS, ActionBase

RECORDS = 20_000
BATCH_RECORDS = 500
_WAIT_SECONDS_MAX = 300.0
_POLL_SECONDS = 0.1
CREATE_FLOOR = "CREATE TABLE bench_floor (delivery_id uuid PRIMARY KEY, value json NOT NULL)"
INSERT_FLOOR = """
INSERT INTO bench_floor
SELECT (v ->> 'delivery_id')::uuid, v FROM json_array_elements(%s::json) AS v ON CONFLICT DO NOTHING
"""


def measure(bootstrap: str, dsn: str, *, records: int = RECORDS) -> dict[str, Any]:
    """Tickets and floor rows per second, from the first to the last, and the sink's CPU and memory.

    Tickets carry external id, client, priority, description of 300 characters and attributes: five rows each
    (ticket, mapping, outbox, applied command, and its outcome in Kafka).
    """
    group = uuid4().hex[:8]
    settings = Settings.model_validate({"kafka": {"bootstrap": bootstrap}, "postgres": {"dsn": dsn}})
    settings = settings.model_copy(update={"actions": settings.actions.model_copy(update={"group_id": group})})
    base = ActionBase.prepare(dsn)
    apply_topics(settings.kafka, admin_client(settings.kafka, "bench"))
    _produce(settings, base, records)
    floor = _measure_floor(settings, dsn, records)
    return {"records": records, "batch_records_max": BATCH_RECORDS} | _measure_sink(settings, base, records) | floor


def _produce(settings: Settings, base: ActionBase, records: int) -> None:
    producer = PolledProducer(settings.kafka, client_id="bench", ack_timeout_seconds=60)
    outbox = Outbox(producer)
    for number in range(records):
        external_id = f"alert-{number}"
        fields = {
            "external_id": external_id,
            "title": f"Disk almost full on srv-{number % 50:02d}",
            "description": "C: is 97 % full. " * 18,
            "priority_id": ("Low", "Medium", "High", "Critical")[number % 4],
            "attributes": {"source": "rmm", "number": number},
        }
        key = entity_key(str(base.tenant.tenant_id), str(base.webhook_id), external_id)
        outbox.send(ACTIONS, key=key, value=orjson.dumps(base.request(fields)), headers=TRACE_HEADERS)
    outbox.wait(60)
    producer.close(10)


def _measure_sink(settings: Settings, base: ActionBase, records: int) -> dict[str, Any]:
    plain = settings.model_dump(mode="json", exclude={"postgres", "master_key", "clickhouse"})
    plain["postgres"] = {"dsn": base.dsn}
    command = [sys.executable, "-m", "tests.support.actions", json.dumps(plain)]
    with psycopg.connect(base.dsn, autocommit=True) as connection:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            first = _wait_for(connection, 1)
            started = time.monotonic()
            _wait_for(connection, records)
            seconds = time.monotonic() - started
            sink = psutil.Process(process.pid)
            cpu, memory = sink.cpu_times(), sink.memory_info().rss
        finally:
            process.terminate()
            process.wait()
    return {
        "tickets_per_second": round((records - first) / seconds),
        "sink_cpu_microseconds_per_ticket": round((cpu.user + cpu.system) / records * 1e6),
        "sink_resident_mebibytes": round(memory / 2**20),
    }


def _wait_for(connection: psycopg.Connection[Any], tickets: int) -> int:
    deadline = time.monotonic() + _WAIT_SECONDS_MAX
    while time.monotonic() < deadline:
        row = connection.execute("SELECT count(*) FROM tickets").fetchone()
        if row is not None and row[0] >= tickets:
            return int(row[0])
        time.sleep(_POLL_SECONDS)
    raise TimeoutError(f"no {tickets} tickets within {_WAIT_SECONDS_MAX:.0f} s")


def _measure_floor(settings: Settings, dsn: str, records: int) -> dict[str, Any]:
    consumer = Consumer(consumer_properties(settings.kafka, "bench-floor", f"floor-{uuid4().hex[:8]}"))
    consumer.subscribe([ACTIONS])
    done, started = 0, 0.0
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(CREATE_FLOOR)
        while done < records:
            messages = consumer.consume(BATCH_RECORDS, timeout=0.02)
            values = [message.value() for message in messages if message.error() is None]
            if not values:
                continue
            started = started or time.monotonic()
            connection.execute(INSERT_FLOOR, (f"[{b','.join(values).decode()}]",))
            consumer.commit(asynchronous=False, message=messages[-1])
            done += len(values)
    seconds = time.monotonic() - started
    consumer.close()
    return {"floor_rows_per_second": round(done / seconds)}


def main() -> None:
    """Measure on servers of our own and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS)
    arguments = parser.parse_args()
    with (
        own_folder("actions") as folder,
        start_kafka(folder / "kafka") as kafka,
        start_postgres(folder / "postgres") as postgres,
    ):
        print(json.dumps(measure(kafka.bootstrap, postgres.dsn, records=arguments.records), indent=2))


if __name__ == "__main__":
    main()
