"""Commands run as an action sink runs them: whole batches on one connection, timed; every one has to succeed."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from infra.actions.registry import ActionRegistry
from infra.clock import now_us
from infra.postgres import Connection, open_pool
from schemas.records import DispatchStatus
from sinks.actions.command import PendingCommand, parse_command
from sinks.actions.execution import execute_batch
from tests.support.actions import ATTEMPTS_MAX, TRACE_HEADERS, ActionBase, builtin_registry

Requests = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class BenchSink:
    """A database with the demo tenant and a connection to it that works as the service role."""

    base: ActionBase
    connection: Connection
    registry: ActionRegistry = field(default_factory=builtin_registry)

    def run(self, requests: Requests, registry: ActionRegistry | None = None) -> float:
        """Seconds of one batch, from its commands to their commit. Raises AssertionError when one did not succeed."""
        commands = self._commands(requests, registry or self.registry)
        began = time.perf_counter()
        outcomes = execute_batch(self.connection, commands, now_us=now_us(), attempts_max=ATTEMPTS_MAX)
        seconds = time.perf_counter() - began
        statuses = Counter(outcome.status for outcome in outcomes)
        if statuses != {DispatchStatus.DISPATCHED: len(requests)}:
            failed = next(outcome for outcome in outcomes if outcome.status != DispatchStatus.DISPATCHED)
            raise AssertionError(f"not every command succeeded: {dict(statuses)}, {failed.body}")
        if not all(outcome.body["changed"] or outcome.body["created"] for outcome in outcomes):
            raise AssertionError("a command changed nothing: what was measured is not what was meant")
        return seconds

    def _commands(self, requests: Requests, registry: ActionRegistry) -> list[PendingCommand]:
        return [parse_command(orjson.dumps(request), TRACE_HEADERS, registry) for request in requests]


@contextmanager
def open_sink(dsn: str) -> Iterator[BenchSink]:
    """On a new, empty database, which is migrated and seeded."""
    with sink_on(ActionBase.prepare(dsn)) as sink:
        yield sink


@contextmanager
def sink_on(base: ActionBase) -> Iterator[BenchSink]:
    """On a database that is prepared already."""
    pool = open_pool(base.settings(), generic_plans=True)
    try:
        with pool.connection() as connection:
            yield BenchSink(base, connection)
    finally:
        pool.close()
