"""Commands per second of each of the actions, creations and updates apart, beside the floor: rows inserted as they are.

Batches of 500 commands go through the action sink's execution on one connection, without Kafka. Each is followed by its
floor: the same records inserted into a table of two columns, on the same connection. `statements` are those of the
action for a whole batch; the sink adds six: the tenant, twice; which commands had run; a savepoint; what was applied;
events, if any.

Run with `python -m bench.action_types [--batches N]`; it starts a Postgres of its own and prints JSON.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from bench.action_loads import LOADS, Load, prepare_invoices
from bench.actions import BATCH_RECORDS, CREATE_FLOOR, INSERT_FLOOR
from bench.execution import BenchSink, open_sink
from bench.folders import own_folder
from bench.pipeline import percentiles
from hookline.embedded.postgres import start_postgres
from tests.support.statements import counting

BATCHES = 8
_LET_IN = "GRANT SELECT, INSERT ON bench_floor TO hookline_service"


def measure(dsn: str, *, batches: int = BATCHES) -> dict[str, Any]:
    """Commands and floor rows per second of every load, and milliseconds of its batches."""
    with open_sink(dsn) as sink:
        sink.base.write(CREATE_FLOOR)
        sink.base.write(_LET_IN)
        prepare_invoices(sink.base, (batches + 1) * BATCH_RECORDS)
        loads = [_measure_load(sink, load, batches) for load in LOADS]
    return {"batch_commands": BATCH_RECORDS, "batches": batches, "loads": loads}


def _measure_load(sink: BenchSink, load: Load, batches: int) -> dict[str, Any]:
    """The first batch is counted and not timed: plans are made of what it left, as autovacuum would in a minute."""
    statements, seconds, floor_seconds = _count_statements(sink, load), [], []
    sink.base.write("ANALYZE")
    for number in range(1, batches + 1):
        requests = load.requests(sink.base, _numbers(number))
        seconds.append(sink.run(requests))
        floor_seconds.append(_insert_floor(sink, requests))
    commands = batches * BATCH_RECORDS
    return {
        "action": load.action,
        "effect": load.effect,
        "per_second": round(commands / sum(seconds)),
        "floor_rows_per_second": round(commands / sum(floor_seconds)),
        "batch": percentiles(seconds),
        "statements": statements,
        "statements_per_command": round(statements / BATCH_RECORDS, 3),
    }


def _numbers(batch: int) -> range:
    return range(batch * BATCH_RECORDS, (batch + 1) * BATCH_RECORDS)


def _count_statements(sink: BenchSink, load: Load) -> int:
    statements: list[str] = []
    counted = counting(sink.registry[load.action].definition, statements, answers=[])
    sink.run(load.requests(sink.base, _numbers(0)), counted)
    return len(statements)


def _insert_floor(sink: BenchSink, requests: Sequence[Mapping[str, Any]]) -> float:
    values = orjson.dumps(requests).decode()
    began = time.perf_counter()
    with sink.connection.transaction():
        sink.connection.execute(INSERT_FLOOR, (values,))
    return time.perf_counter() - began


def main() -> None:
    """Measure on a server of our own and print the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--batches", type=int, default=BATCHES)
    arguments = parser.parse_args()
    with own_folder("action-types") as folder, start_postgres(folder / "postgres") as postgres:
        print(json.dumps(measure(postgres.dsn, batches=arguments.batches), indent=2))


if __name__ == "__main__":
    main()
