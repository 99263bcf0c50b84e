"""Replay jobs in Postgres as callers see them; every statement is for one tenant."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from infra.clickhouse import ClickHouse
from infra.postgres import Connection, Pool, Row, tenant_transaction
from infra.queries import load_whole_queries
from management.access import Actor
from management.audit_entries.repository import write_audit_entry
from management.errors import ConflictError, NotFoundError
from management.exports import BLOCK_ROWS_MAX
from management.paging import page_parameters, read_page
from management.replay_jobs.core.states import CHANGES, Cause, State
from management.replay_jobs.selections import LoggedStates
from management.replaying.places import OffsetRange
from management.replays.schemas import ReplayJobFilter, ReplayRecordFilter

_QUERIES = load_whole_queries(Path(__file__).parent / "queries.sql")


class ReplayView(NamedTuple):
    """A job with its partitions and its ranges."""

    row: Row
    partitions: Sequence[Row]
    ranges: Sequence[Row]


class ReplayRepository:
    """Raises PostgresUnavailableError while Postgres is away; what shows records also as `ClickHouse` does."""

    def __init__(self, pool: Pool, clickhouse: ClickHouse, open_max: int) -> None:
        self._pool = pool
        self._clickhouse = clickhouse
        self._open_max = open_max

    def add(self, actor: Actor, replay: Mapping[str, Any], ranges: Sequence[OffsetRange]) -> Row:
        """Insert a job, with its audit entry. Raises ConflictError where too many are open."""
        parameters = {
            **replay,
            "tenant_id": actor.tenant_id,
            "selection": Jsonb(replay["selection"]),
            "asked_by": Jsonb(actor.as_json()),
        }
        numbered = [{"number": number, **one._asdict()} for number, one in enumerate(ranges)]
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            count = connection.execute(_QUERIES["count_open"].encode(), parameters).fetchone()
            if count is not None and count["replays"] >= self._open_max:
                raise ConflictError(f"{self._open_max} replay jobs of the tenant are open: wait, or stop one")
            connection.execute(_QUERIES["insert_replay"].encode(), parameters)
            connection.execute(_QUERIES["insert_ranges"].encode(), {**parameters, "ranges": Jsonb(numbered)})
            after = {name: replay[name] for name in ("selection", "mode", "reason", "rate_per_second", "plan_only")}
            write_audit_entry(connection, actor, "replay.asked", replay["id"], after=after)
            return _get(connection, actor.tenant_id, replay["id"])

    def change(self, actor: Actor, replay_id: UUID, what: str, reason: str | None) -> Row:
        """Confirm, pause, resume or stop. Raises NotFoundError, ConflictError where that cannot be now."""
        change = CHANGES[what]
        is_halted = change.to_state in (State.PAUSED, State.STOPPED)
        parameters = {
            "tenant_id": actor.tenant_id,
            "id": replay_id,
            "state": change.to_state,
            "cause": Cause.PERSON if is_halted else None,
            "reason": reason if is_halted else None,
            "by": Jsonb(actor.as_json()),
            "from_states": list(change.from_states),
        }
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            changed = connection.execute(_QUERIES["change_state"].encode(), parameters).fetchone()
            row = _get(connection, actor.tenant_id, replay_id)
            if changed is None:
                allowed = " or ".join(change.from_states)
                raise ConflictError(f"the job is {row['state']}: it has to be {allowed} to be {change.done}")
            write_audit_entry(connection, actor, f"replay.{change.done}", replay_id, after={"reason": reason})
            return row

    def get(self, tenant_id: UUID, replay_id: UUID) -> Row:
        """One. Raises NotFoundError, also for another tenant's."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            return _get(connection, tenant_id, replay_id)

    def view(self, tenant_id: UUID, replay_id: UUID) -> ReplayView:
        """One, whole. Raises NotFoundError, also for another tenant's."""
        names = {"tenant_id": tenant_id, "id": replay_id}
        with tenant_transaction(self._pool, tenant_id) as connection:
            row = _get(connection, tenant_id, replay_id)
            partitions = connection.execute(_QUERIES["list_partitions"].encode(), names).fetchall()
            return ReplayView(row, partitions, connection.execute(_QUERIES["list_ranges"].encode(), names).fetchall())

    def page(self, tenant_id: UUID, wanted: ReplayJobFilter) -> tuple[list[Row], int]:
        """The rows of a page, newest first, and how many there are in all."""
        parameters = {"tenant_id": tenant_id, "state": wanted.state, **page_parameters(wanted)}
        with tenant_transaction(self._pool, tenant_id) as connection:
            return read_page(connection, _QUERIES, parameters, count="count_replays", rows="list_replays")

    def records(self, tenant_id: UUID, replay_id: UUID, wanted: ReplayRecordFilter) -> tuple[list[Row], int]:
        """The rows of a page, in the order of the job, and how many there are in all. Raises NotFoundError."""
        names = {"tenant_id": tenant_id, "id": replay_id, "result": wanted.result, **page_parameters(wanted)}
        with tenant_transaction(self._pool, tenant_id) as connection:
            _get(connection, tenant_id, replay_id)
            rows, total = read_page(connection, _QUERIES, names, count="count_records", rows="list_records")
        return self._with_outcomes(tenant_id, rows), total

    def record_blocks(self, tenant_id: UUID, replay_id: UUID, result: str | None) -> Iterator[list[Row]]:
        """All of them, some at a time; one block of them is in memory."""
        names = {"tenant_id": tenant_id, "id": replay_id, "result": result, "limit": BLOCK_ROWS_MAX}
        behind = {"batch": -1, "position": -1}
        while True:
            with tenant_transaction(self._pool, tenant_id) as connection:
                statement = _QUERIES["list_records_behind"].encode()
                rows = connection.execute(statement, {**names, **behind}).fetchall()
            yield self._with_outcomes(tenant_id, rows)
            if len(rows) < BLOCK_ROWS_MAX:
                return
            behind = {name: rows[-1][name] for name in behind}

    def _with_outcomes(self, tenant_id: UUID, rows: list[Row]) -> list[Row]:
        keys = [
            (str(row["webhook_id"]), row["replayed_at_us"], str(row["new_delivery_id"]))
            for row in rows
            if row["new_delivery_id"] is not None
        ]
        outcomes = LoggedStates(self._clickhouse, tenant_id).outcomes_of(keys)
        nothing: Row = {"dispatch_status": None, "error_code": None}
        return [{**row, **outcomes.get(str(row["new_delivery_id"]), nothing)} for row in rows]


def _get(connection: Connection, tenant_id: UUID, replay_id: UUID) -> Row:
    names = {"tenant_id": tenant_id, "id": replay_id}
    row = connection.execute(_QUERIES["get_replay"].encode(), names).fetchone()
    if row is None:
        raise NotFoundError(f"no replay job {replay_id}")
    return row
