"""Request to ticket at a steady rate through a whole stack (`hookline up`), beside the floor on the same servers.

What is measured: signed alerts go to the webhook `rmm-alerts` on a fixed schedule (bench/open_loop.py).
- `answer`: from the moment a request was due to the last byte of its answer.
- `ticket`: from the same moment to the commit of the ticket's row, as Postgres itself noted it
  (`track_commit_timestamp`). Both clocks are this machine's, so they need no comparing. Postgres takes the time just
  before it flushes the commit to disk: the flush is missing, and is at most `floor_insert` of the same result, which
  is the time of a whole small transaction. The client sends up to a millisecond after a request is due (and
  `sent_late` says by how much it did): that is counted, not left out.
- `floor_answer`, `floor_ticket`: the same bodies at the same rate, produced to one partition and acknowledged;
  consumed by one consumer and inserted into a table of two columns. No HTTP, no check, no mapping, no second topic.
- `memory`: every process of the stack right after the load, in MiB: resident, and proportional where the system
  tells (shared pages divided among those who share them, so only these may be added up).

Requests of the warm-up are sent at the same rate and not counted. A request that is not accepted, or whose ticket
does not come, ends the run with an error: percentiles of what is left would look better than what happened.
Run with `python -m bench.pipeline [--seconds S]`; it starts a stack of its own and prints JSON.
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import orjson
import psutil
import psycopg
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import NewTopic

from bench import open_loop
from bench.folders import own_folder
from bench.open_loop import ScheduledAnswer
from hookline.configuration import settings_of_stack
from hookline.demo.alerts import SHAPES, sample
from hookline.demo.balance import percentile
from hookline.embedded.postgres import start_postgres
from hookline.signing import sign
from hookline.stack_folder import StackFolder
from infra import log
from infra.kafka import PolledProducer, admin_client, consumer_properties
from infra.settings import KafkaSettings
from tests.support.running_stack import RunningStack, running_stack

SECONDS = 30.0
WARM_UP_SECONDS = 5.0
REQUESTS_PER_SECOND = 500
_FLOOR_SHARE = 1 / 3
_FLOOR_TOPIC = "bench-floor"
_FLOOR_BATCH_RECORDS = 500
_SETTLE_SECONDS_MAX = 60.0
_POLL_SECONDS = 0.5
_NOTE_COMMITS = "ALTER SYSTEM SET track_commit_timestamp = on"
_TICKETS = """
SELECT delivery_id::text, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM tickets
"""
_CREATE_FLOOR = "CREATE TABLE bench_floor (number bigint PRIMARY KEY, body json NOT NULL)"
_INSERT_FLOOR = "INSERT INTO bench_floor SELECT * FROM unnest(%s::bigint[], %s::text[]::json[])"
_FLOOR_ROWS = "SELECT number, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM bench_floor"


def measure(data_dir: Path, *, seconds: float = SECONDS, per_second: int = REQUESTS_PER_SECOND) -> dict[str, Any]:
    """Percentiles in milliseconds and memory in MiB, of a new stack on `data_dir` (which must not be there yet)."""
    note_commit_times(data_dir)
    with running_stack(data_dir) as stack:
        bodies = alert_bodies(int((WARM_UP_SECONDS + seconds) * per_second))
        answers = send_alerts(stack, bodies, per_second)
        committed_at = _await_tickets(stack, len(answers))
        memory = memory_of(stack)
        floor = _measure_floor(stack, bodies[: int(seconds * _FLOOR_SHARE * per_second)], per_second)
    counted = answers[int(WARM_UP_SECONDS * per_second) :]
    waits = [committed_at[delivery_id_of(answer)] - answer.due_at for answer in counted]
    return {
        "requests_per_second": per_second,
        "seconds": seconds,
        "warm_up_seconds": WARM_UP_SECONDS,
        "requests": len(counted),
        "answer": percentiles([answer.answer_seconds for answer in counted]),
        "ticket": percentiles(waits),
        "sent_late": percentiles([answer.sent_late_seconds for answer in counted]),
        **floor,
        "memory": memory,
    }


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p99 and the longest, in milliseconds."""
    return {
        "p50_milliseconds": round(percentile(seconds, 0.50) * 1_000, 2),
        "p99_milliseconds": round(percentile(seconds, 0.99) * 1_000, 2),
        "max_milliseconds": round(max(seconds) * 1_000, 2),
    }


def note_commit_times(data_dir: Path) -> None:
    """Have the stack's Postgres keep the time of every commit; it reads this setting when it starts."""
    with (
        start_postgres(StackFolder(data_dir).postgres) as server,
        psycopg.connect(server.dsn, autocommit=True) as connection,
    ):
        connection.execute(_NOTE_COMMITS)


def alert_bodies(count: int, *, seed: int = 1) -> list[bytes]:
    """Alerts of all shapes, each with an id of its own; others for another seed."""
    source, now, shapes = Random(seed), int(time.time()), list(SHAPES)
    return [sample(shapes[number % len(shapes)], source, now) for number in range(count)]


def send_alerts(stack: RunningStack, bodies: Sequence[bytes], per_second: float) -> list[ScheduledAnswer]:
    """Signed, on a fixed schedule. Raises AssertionError when one is not accepted."""
    webhook, url = stack.webhook(), urlsplit(stack.ready.webhook_url)
    requests = []
    for body in bodies:
        lines = "".join(f"{name}: {value}\r\n" for name, value in sign(webhook, body).items())
        head = (
            f"POST {url.path} HTTP/1.1\r\nhost: {url.netloc}\r\nuser-agent: hookline-bench/1\r\n"
            f"content-type: application/json\r\n{lines}content-length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    answers = open_loop.run(open_loop.Schedule(str(url.hostname), int(url.port or 80), requests, per_second))
    statuses = Counter(answer.status for answer in answers)
    if statuses != {200: len(answers)}:
        raise AssertionError(f"not every request was accepted: {dict(statuses)}")
    return answers


def delivery_id_of(answer: ScheduledAnswer) -> str:
    """Of a request that was answered 200."""
    return str(orjson.loads(answer.body)["delivery_id"])


def _await_tickets(stack: RunningStack, expected: int) -> dict[str, float]:
    """Delivery id → Unix seconds of the commit. Nothing asks the database while requests are still being sent."""
    deadline = time.monotonic() + _SETTLE_SECONDS_MAX
    while (found := stack.count("tickets")) < expected:
        if time.monotonic() > deadline:
            raise AssertionError(f"{found} tickets of {expected} requests after {_SETTLE_SECONDS_MAX:.0f} s")
        time.sleep(_POLL_SECONDS)
    return tickets_committed_at(stack)


def tickets_committed_at(stack: RunningStack) -> dict[str, float]:
    """Delivery id → Unix seconds of the commit of its ticket, of those that are there."""
    with psycopg.connect(stack.ready.postgres_dsn) as connection:
        committed_at: dict[str, float] = dict(connection.execute(_TICKETS).fetchall())
    return committed_at


def memory_of(stack: RunningStack) -> dict[str, dict[str, float | None]]:
    """Part of the stack → its processes' memory; roles that share a process are one part."""
    names: dict[int, list[str]] = defaultdict(list)
    for name, pid in stack.pids.items():
        names[pid].append(name)
    parts = {", ".join(sorted(shared)): _with_children(pid) for pid, shared in names.items()}
    known = {process.pid for processes in parts.values() for process in processes}
    parts["supervision"] = [process for process in _with_children(stack.process.pid) if process.pid not in known]
    return {name: _memory(processes) for name, processes in sorted(parts.items())}


def _with_children(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _memory(processes: Sequence[psutil.Process]) -> dict[str, float | None]:
    full = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # a worker of Postgres may have ended since they were listed
            full.append(process.memory_full_info())
    proportional = [getattr(memory, "pss", None) for memory in full]
    known = [size for size in proportional if size is not None]
    return {
        "processes": len(full),
        "resident_mebibytes": round(sum(memory.rss for memory in full) / 2**20, 1),
        "proportional_mebibytes": round(sum(known) / 2**20, 1) if len(known) == len(full) else None,
    }


def _measure_floor(stack: RunningStack, bodies: Sequence[bytes], per_second: int) -> dict[str, Any]:
    """Produce, consume and insert at the same rate; the stack is idle meanwhile."""
    kafka, dsn = settings_of_stack(stack.ready).kafka, stack.ready.postgres_dsn
    admin, topic = admin_client(kafka, "bench"), NewTopic(_FLOOR_TOPIC, num_partitions=1, replication_factor=1)
    admin.create_topics([topic])[_FLOOR_TOPIC].result(20)
    producer = PolledProducer(kafka, client_id="bench", ack_timeout_seconds=30)
    due_at, acknowledged_at = [0.0] * len(bodies), [0.0] * len(bodies)

    def acknowledge(number: int, error: Any, _message: Any) -> None:
        if error is None:
            acknowledged_at[number] = time.time()

    with ThreadPoolExecutor(max_workers=1) as pool, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_CREATE_FLOOR)
        inserting = pool.submit(_insert_floor, kafka, dsn, len(bodies))
        began = time.time()
        for number, body in enumerate(bodies):
            due_at[number] = began + number / per_second
            time.sleep(max(0.0, due_at[number] - time.time()))
            key = number.to_bytes(8, "big")
            producer.produce(_FLOOR_TOPIC, key=key, value=body, on_delivery=partial(acknowledge, number))
        inserts = inserting.result()
        committed_at: dict[int, float] = dict(connection.execute(_FLOOR_ROWS).fetchall())
    if producer.close(30) or not all(acknowledged_at):
        raise AssertionError("the floor's records were not all acknowledged")
    return {
        "floor_answer": percentiles([at - due for at, due in zip(acknowledged_at, due_at, strict=True)]),
        "floor_ticket": percentiles([committed_at[number] - due for number, due in enumerate(due_at)]),
        "floor_insert": percentiles(inserts),
    }


def _insert_floor(kafka: KafkaSettings, dsn: str, records: int) -> list[float]:
    """Seconds that each transaction took, its flush to disk included."""
    consumer, inserted, durations = Consumer(consumer_properties(kafka, "bench", _FLOOR_TOPIC)), 0, []
    consumer.assign([TopicPartition(_FLOOR_TOPIC, 0, 0)])
    deadline = time.monotonic() + SECONDS + _SETTLE_SECONDS_MAX
    with psycopg.connect(dsn, autocommit=True) as connection:
        while inserted < records and time.monotonic() < deadline:
            # A full batch is not waited for, as `consume` alone would: the first record, then what is there already.
            found = [*consumer.consume(1, 0.5), *consumer.consume(_FLOOR_BATCH_RECORDS - 1, 0)]
            messages = [message for message in found if message.error() is None]
            if not messages:
                continue
            numbers = [int.from_bytes(message.key(), "big") for message in messages]
            began = time.perf_counter()
            connection.execute(_INSERT_FLOOR, (numbers, [message.value().decode() for message in messages]))
            durations.append(time.perf_counter() - began)
            inserted += len(messages)
    consumer.close()
    return durations


def main() -> None:
    """Measure on a stack of our own and print the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--per-second", type=int, default=REQUESTS_PER_SECOND)
    arguments = parser.parse_args()
    log.configure(role="bench", level="warning")
    with own_folder("pipeline") as folder:
        figures = measure(folder / "stack", seconds=arguments.seconds, per_second=arguments.per_second)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
