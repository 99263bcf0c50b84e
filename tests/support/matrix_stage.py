"""One database for the matrix of actions: two tenants, a connection for each of the commands that begin at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import orjson

from hookline.seed import register_webhook
from infra.actions.registry import ActionRegistry
from infra.clock import now_us
from infra.postgres import Pool, open_pool
from infra.settings import PostgresSettings
from schemas.actions import RefEntityType
from sinks.actions.command import moment, parse_command
from sinks.actions.execution import Outcome, execute_batch
from tests.support.actions import (
    ATTEMPTS_MAX,
    TRACE_HEADERS,
    ActionBase,
    add,
    add_mapping,
    add_tenant,
    builtin_registry,
    webhook_config,
)
from tests.support.events import check_events

AT_ONCE = 8
#: The table that says that a command ran, and not what it did.
_APPLIED = "applied_commands"
#: When a mapping was last told of is no change either.
_SUM = "coalesce(sum(hashtextextended((to_jsonb(t) - 'last_synced_at')::text, 0)), 0)"


@dataclass(frozen=True, slots=True)
class Foreign:
    """What another tenant has: a webhook, and an entity for each type of reference, by id and by name."""

    tenant_id: UUID
    webhook_id: UUID
    named: Mapping[RefEntityType, tuple[UUID, str]]


@dataclass(frozen=True, slots=True)
class MatrixStage:
    """The demo tenant, whose commands run; `foreign`: another one, which has nothing to do with them."""

    base: ActionBase
    foreign: Foreign
    registry: ActionRegistry
    _pool: Pool
    _state: bytes

    @classmethod
    @contextmanager
    def open(cls, dsn: str) -> Iterator[MatrixStage]:
        """Prepare the database of `dsn`."""
        base = ActionBase.prepare(dsn)
        tables = base.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        names = [row["tablename"] for row in tables if row["tablename"] != _APPLIED]
        counted = [f"SELECT '{name}' AS name, count(*) AS count, {_SUM} AS sum FROM {name} t" for name in names]  # noqa: S608
        settings = PostgresSettings.model_validate({"dsn": dsn, "pool_connections_max": AT_ONCE})
        pool = open_pool(settings)
        try:
            yield cls(base, _foreign(base), builtin_registry(), pool, " UNION ALL ".join(counted).encode())
        finally:
            pool.close()

    def run(self, requests: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Run the requests as one batch."""
        commands = [parse_command(orjson.dumps(request), TRACE_HEADERS, self.registry) for request in requests]
        with self._pool.connection() as connection:
            return execute_batch(connection, commands, now_us=now_us(), attempts_max=ATTEMPTS_MAX)

    def run_at_once(self, requests: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Run each request as a batch on a connection of its own, all of them beginning at the same time."""
        start = threading.Barrier(len(requests))

        def run(request: Mapping[str, Any]) -> Outcome:
            command = parse_command(orjson.dumps(request), TRACE_HEADERS, self.registry)
            with self._pool.connection() as connection:
                start.wait(30)
                return execute_batch(connection, [command], now_us=now_us(), attempts_max=ATTEMPTS_MAX)[0]

        with ThreadPoolExecutor(len(requests)) as threads:
            return list(threads.map(run, requests))

    def state(self) -> dict[str, tuple[int, Decimal]]:
        """How many rows every table has, and a sum over them."""
        return {row["name"]: (row["count"], row["sum"]) for row in self._rows(self._state, [])}

    def position(self) -> int:
        """Where the outbox ends."""
        last: int = self._rows(b"SELECT coalesce(max(position), 0) AS last FROM outbox", [])[0]["last"]
        return last

    def events_after(self, position: int) -> list[dict[str, Any]]:
        """The events after a position of the outbox; each keeps to its schema."""
        rows = self._rows(b"SELECT payload FROM outbox WHERE position > %s ORDER BY position", [position])
        events = [row["payload"] for row in rows]
        check_events(events)
        return events

    def _rows(self, query: bytes, parameters: Sequence[Any]) -> list[dict[str, Any]]:
        """Rows of all tenants: as the login sees them, and not as the role that commands run in."""
        with self._pool.connection() as connection:
            connection.execute("RESET ROLE")
            rows = connection.execute(query, parameters).fetchall()
            connection.execute("SET ROLE hookline_service")
        return rows


def _add_invoice(base: ActionBase, external_id: str) -> None:
    invoice = add(
        base, "invoices", client_id=base.tenant.ids["client"], number=external_id, status="sent", currency="EUR"
    )
    add_mapping(base, "invoice", external_id, invoice)


def _cancel_invoice(base: ActionBase, external_id: str) -> None:
    base.write("UPDATE invoices SET status = 'cancelled' WHERE number = %s", [external_id])


def _add_user(base: ActionBase, external_id: str) -> None:
    """A user without a sheet yet, in a period that is there once."""
    add(base, "users", email=f"{external_id}@demo.example", username=external_id)
    if not base.rows("SELECT 1 FROM time_periods WHERE start_date = '2024-03-01'"):
        add(base, "time_periods", start_date="2024-03-01", end_date="2024-03-31")


GIVENS: Mapping[str, Callable[[ActionBase, str], None]] = {
    "a sent invoice": _add_invoice,
    "its cancellation": _cancel_invoice,
    "a user and a period": _add_user,
}


def _foreign(base: ActionBase) -> Foreign:
    """A tenant that has what the first one names in its commands, under other names."""
    tenant, webhook = add_tenant(base), uuid4()
    register_webhook(base.dsn, webhook_config(tenant, webhook, "theirs"))

    def their(table: str, **columns: Any) -> UUID:
        return add(base, table, tenant_id=tenant, **columns)

    client, board = their("clients", name="Theirs"), their("boards", name="Their board")
    status = their("ticket_statuses", board_id=board, name="Their status", position=1)
    category, project = their("ticket_categories", name="Their category"), their("projects", client_id=client, name="P")
    now = moment(now_us())
    ticket = their(
        "tickets",
        number=987_654,
        title="T",
        client_id=client,
        board_id=board,
        status_id=status,
        is_closed=False,
        source="api",
        created_at=now,
        updated_at=now,
    )
    named = {
        RefEntityType.USER: (their("users", email="u@their.example", username="their-user"), "u@their.example"),
        RefEntityType.TEAM: (their("teams", name="Their team"), "Their team"),
        RefEntityType.SERVICE: (their("services", name="Their service"), "Their service"),
        RefEntityType.BOARD: (board, "Their board"),
        RefEntityType.TICKET_STATUS: (status, "Their status"),
        RefEntityType.TICKET_PRIORITY: (their("ticket_priorities", name="Their priority", level=1), "Their priority"),
        RefEntityType.TICKET_CATEGORY: (category, "Their category"),
        RefEntityType.TICKET_SUBCATEGORY: (
            their("ticket_categories", name="Their subcategory", parent_id=category),
            "Their subcategory",
        ),
        RefEntityType.CLIENT: (client, "Theirs"),
        RefEntityType.CLIENT_LOCATION: (their("client_locations", client_id=client, name="Their place"), "Their place"),
        RefEntityType.CONTACT: (
            their("contacts", client_id=client, full_name="C", email="c@their.example"),
            "c@their.example",
        ),
        RefEntityType.ASSET: (their("assets", client_id=client, name="their-srv"), "their-srv"),
        RefEntityType.WORK_ITEM: (ticket, "987654"),
        RefEntityType.PROJECT: (project, "P"),
        RefEntityType.PROJECT_PHASE: (
            their("project_phases", project_id=project, name="Their phase", position=1),
            "Their phase",
        ),
        RefEntityType.PROJECT_STATUS: (their("project_statuses", name="Their state", position=1), "Their state"),
    }
    return Foreign(tenant, webhook, named)
