"""What a tenant's 1,000,000 external ids cost: look-ups and updates among them, beside the same among 1,000.

Two databases on one server, asked in turns, so that whatever else the machine does meets both. Ids are drawn at random
from all that are mapped.

- `one`, `hundred`: the statement by which a set of commands finds and locks the mappings of 1 and of 100 external ids.
- `update`: 100 commands of updateTicketByExternalId as one batch, commit included. Both databases have 1,000 tickets,
  whose mappings lie at equal distances among the others.

Run with `python -m bench.mappings [--mappings N] [--rounds N]`; it starts a Postgres of its own and prints JSON.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

from bench.execution import BenchSink, open_sink
from bench.folders import own_folder
from bench.pipeline import percentiles
from hookline.embedded.postgres import start_postgres
from infra.postgres import set_tenant
from schemas.encoding import record_bytes
from sinks.actions.context import QUERIES, PostgresTransaction
from tests.support.actions import request_of
from tests.support.mappings import external_id, fill_mappings
from tests.support.stack import new_database

FEW, MANY = 1_000, 1_000_000
ROUNDS = 800
SET_IDS = 100
_WARM_UP_ROUNDS = 50
#: A round has a look-up of each kind; an update takes longer than all of them.
_ROUNDS_PER_UPDATE = 5
_TICKETS = FEW


class Stored:
    """A database in which `mappings` external ids of tickets are mapped, for 1,000 of which there is a ticket."""

    def __init__(self, sink: BenchSink, mappings: int) -> None:
        self.sink = sink
        self._mappings = mappings
        self._source = Random(1)
        sink.run([sink.base.request({"title": f"Ticket {number}"}) for number in range(_TICKETS)])
        began = time.monotonic()
        fill_mappings(sink.base, mappings)
        self.fill_seconds = round(time.monotonic() - began, 1)

    def look_up(self, count: int) -> float:
        """Seconds of the statement. Raises AssertionError when an id was not found."""
        numbers = self._source.sample(range(self._mappings), count)
        rows = [{"webhook_id": self.sink.base.webhook_id, "external_id": external_id(number)} for number in numbers]
        tenant_id = self.sink.base.tenant.tenant_id
        parameters = {"tenant_id": tenant_id, "entity_type": "ticket", "wanted": record_bytes(rows).decode()}
        with self.sink.connection.transaction():
            set_tenant(self.sink.connection, tenant_id)
            began = time.perf_counter()
            found = PostgresTransaction(self.sink.connection).rows(QUERIES["lock_many_mappings"], parameters)
            seconds = time.perf_counter() - began
        if len(found) != count:
            raise AssertionError(f"{len(found)} of {count} external ids were found")
        return seconds

    def update(self, title: str) -> float:
        """Seconds of a batch of as many updates as a set has ids."""
        apart = self._mappings // _TICKETS
        numbers = [apart * ticket for ticket in self._source.sample(range(_TICKETS), SET_IDS)]
        fields = [{"external_id": external_id(number), "title": title, "priority_id": "High"} for number in numbers]
        return self.sink.run([request_of(self.sink.base, "updateTicketByExternalId", each) for each in fields])


def measure(dsn: str, *, mappings: int = MANY, rounds: int = ROUNDS) -> dict[str, Any]:
    """Milliseconds among few and among many, the ratio of the p99s, and what the filling took."""
    with _stored(dsn, FEW) as few, _stored(dsn, mappings) as many:
        few.sink.base.write("CHECKPOINT")  # what the filling left to be written is not to be written meanwhile
        times = _measure_in_turns({"few": few, "many": many}, rounds)
        figures: dict[str, Any] = {"few": FEW, "many": mappings, "rounds": rounds, "fill_seconds": many.fill_seconds}
    for kind, measured in times.items():
        shown = {name: percentiles(seconds) for name, seconds in measured.items()}
        ratio = shown["many"]["p99_milliseconds"] / shown["few"]["p99_milliseconds"]
        figures[kind] = {**shown, "p99_ratio": round(ratio, 2)}
    return figures


@contextmanager
def _stored(dsn: str, mappings: int) -> Iterator[Stored]:
    with new_database(dsn) as database_dsn, open_sink(database_dsn) as sink:
        yield Stored(sink, mappings)


def _measure_in_turns(stores: dict[str, Stored], rounds: int) -> dict[str, dict[str, Sequence[float]]]:
    """Kind → store → seconds. Who goes first changes with every round."""
    times: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    order = list(stores.items())
    for number in range(_WARM_UP_ROUNDS + rounds):
        order.reverse()
        for name, store in order:
            seconds = {"one": store.look_up(1), "hundred": store.look_up(SET_IDS)}
            if number % _ROUNDS_PER_UPDATE == 0:
                seconds["update"] = store.update(f"Round {number}")
            for kind, taken in seconds.items() if number >= _WARM_UP_ROUNDS else ():
                times[kind][name].append(taken)
    return {kind: dict(measured) for kind, measured in times.items()}


def main() -> None:
    """Measure on a server of our own and print the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mappings", type=int, default=MANY, help=f"a multiple of {FEW:,}")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    with own_folder("mappings") as folder, start_postgres(folder / "postgres") as postgres:
        print(json.dumps(measure(postgres.dsn, mappings=arguments.mappings, rounds=arguments.rounds), indent=2))


if __name__ == "__main__":
    main()
