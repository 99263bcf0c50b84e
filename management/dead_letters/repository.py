"""The index of letters, and what was decided about them; every statement is for one tenant."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from infra.clickhouse import ClickHouse
from infra.postgres import Connection, Pool, Row, tenant_transaction
from infra.queries import load_queries, load_whole_queries
from management.access import Actor
from management.audit_entries.repository import write_audit_entry
from management.dead_letters.schemas import DeadLetterFilter, OpenLetters
from management.errors import NotFoundError
from management.log_pages import SEARCH_SECONDS_MAX, TOTAL_MAX, LogPageMeta, Position, Scope, Total, meta_of
from management.paging import microseconds, page_parameters, window_of_ids
from management.replaying.done import Done, DoneDeliveries
from management.replaying.places import Place
from schemas.retention import BODY_DAYS_DEFAULT

_QUERIES = load_whole_queries(Path(__file__).parent / "queries.sql")
_LOG_QUERIES = load_queries(Path(__file__).parent / "log.sql")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FILTERS = ("topic", "webhook_id", "stage", "code", "state")


class LoggedDelivery(NamedTuple):
    """What the log says of a letter's delivery."""

    is_erased: bool
    has_ended: bool


class ShownWebhook(NamedTuple):
    """What decides how a body is shown, and how long."""

    redact_paths: tuple[str, ...]
    body_days: int


class Decision(NamedTuple):
    """What is to be done with an open letter, by whom, and why."""

    actor: Actor
    reason: str
    at: datetime


class DeadLetterRepository:
    """Raises as `infra.clickhouse.ClickHouse` does, and PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool, clickhouse: ClickHouse) -> None:
        self._pool = pool
        self._clickhouse = clickhouse

    def page(self, tenant_id: UUID, wanted: DeadLetterFilter) -> tuple[list[Row], LogPageMeta]:
        """The rows of a page, newest first. Raises ValidationFailedError for a wrong cursor."""
        scope = Scope("dead_letters", tenant_id, wanted)
        begin = scope.read(wanted)
        parameters = {
            "tenant_id": tenant_id,
            **{name: getattr(wanted, name) for name in _FILTERS},
            **page_parameters(wanted),
            "limit": wanted.per_page + 1,
            "total_max": TOTAL_MAX + 1,
            "before": None if begin is None else _EPOCH + timedelta(microseconds=begin.at_us),
            "before_id": None if begin is None else begin.id,
        }
        with tenant_transaction(self._pool, tenant_id) as connection:
            rows = connection.execute(_QUERIES["list_letters"].encode(), parameters).fetchall()
            total = _count(connection, parameters) if begin is None else begin.total
        shown, next_cursor = rows[: wanted.per_page], None
        if len(rows) > len(shown):
            page = wanted.page if begin is None else begin.page + 1
            last = shown[-1]
            next_cursor = scope.write(Position(microseconds(last["failed_at"]), last["letter_id"], page, total))
        return shown, meta_of(wanted, begin, total, next_cursor)

    def get(self, tenant_id: UUID, place: Place) -> Row:
        """One letter. Raises NotFoundError, also for another tenant's and for nobody's."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            return _get(connection, tenant_id, place)

    def open_places(self, tenant_id: UUID, wanted: OpenLetters, limit: int) -> list[Place]:
        """Of letters that nothing was done with, or not to the end: in the order of their partitions."""
        parameters = {
            "tenant_id": tenant_id,
            **{name: getattr(wanted, name) for name in (*_FILTERS[:-1], "since", "until")},
            "state": None,
            "limit": limit,
        }
        with tenant_transaction(self._pool, tenant_id) as connection:
            rows = connection.execute(_QUERIES["list_open"].encode(), parameters).fetchall()
        return [place_of(row) for row in rows]

    def transaction(self, tenant_id: UUID) -> AbstractContextManager[Connection]:
        """In which letters are locked and decided about."""
        return tenant_transaction(self._pool, tenant_id)

    def shown_webhooks(self, tenant_id: UUID, webhook_ids: Iterable[UUID]) -> dict[UUID | None, ShownWebhook]:
        """By id those that are there; None: what holds for the tenant's others."""
        parameters = {"tenant_id": tenant_id, "webhook_ids": sorted(webhook_ids)}
        with tenant_transaction(self._pool, tenant_id) as connection:
            tenant = connection.execute(_QUERIES["read_body_days"].encode(), parameters).fetchone()
            rows = connection.execute(_QUERIES["list_shown"].encode(), parameters).fetchall()
        others = BODY_DAYS_DEFAULT if tenant is None else tenant["body_retention_days"]
        found: dict[UUID | None, ShownWebhook] = {None: ShownWebhook((), others)}
        return found | {row["id"]: ShownWebhook(tuple(row["redact_paths"]), row["body_days"]) for row in rows}

    def logged(self, tenant_id: UUID, delivery_ids: Iterable[UUID]) -> dict[UUID, LoggedDelivery]:
        """Of deliveries that the log has."""
        wanted = sorted(one for one in delivery_ids if one.version == 7)
        if not wanted:
            return {}
        since_us, until_us = window_of_ids(wanted)
        parameters = {
            "tenant_id": str(tenant_id),
            "delivery_id": [str(one) for one in wanted],
            "since_us": since_us,
            "until_us": until_us,
        }
        rows = self._clickhouse.query(_LOG_QUERIES["read_deliveries"], parameters)
        return {
            row["delivery_id"]: LoggedDelivery(bool(row["is_erased"]), row["dispatch_status"] != "pending")
            for row in rows
        }

    def done(self, tenant_id: UUID, webhook_ids: Collection[str], origin_ids: Collection[str]) -> dict[str, Done]:
        """Those of the origins that need no filling. Raises SearchTooWideError."""
        return DoneDeliveries(self._clickhouse, tenant_id, seconds_max=SEARCH_SECONDS_MAX).find(webhook_ids, origin_ids)

    def applied(self, tenant_id: UUID, command_ids: Sequence[UUID]) -> set[UUID]:
        """Those of the commands that the sink has run, whatever came of it."""
        parameters = {"tenant_id": tenant_id, "command_ids": list(command_ids)}
        with tenant_transaction(self._pool, tenant_id) as connection:
            rows = connection.execute(_QUERIES["find_applied"].encode(), parameters).fetchall()
        return {row["command_id"] for row in rows}


def place_of(row: Row) -> Place:
    """Where the letter of a row stands."""
    return Place(row["topic"], row["partition"], row["record_offset"])


def lock_letters(connection: Connection, tenant_id: UUID, places: Sequence[Place]) -> dict[Place, Row]:
    """Those of the tenant; nobody else decides about them until the transaction ends."""
    parameters = {"tenant_id": tenant_id, **_columns(places)}
    rows = connection.execute(_QUERIES["lock_letters"].encode(), parameters).fetchall()
    return {place_of(row): row for row in rows}


def dismiss(connection: Connection, place: Place, decision: Decision) -> None:
    """Have nothing done with an open letter, with an audit entry."""
    connection.execute(_QUERIES["dismiss"].encode(), _decided(place, decision))
    after = {"state": "dismissed", "reason": decision.reason}
    write_audit_entry(
        connection, decision.actor, "dead_letter.dismissed", str(place), before={"state": "open"}, after=after
    )


def plan_redrive(connection: Connection, place: Place, decision: Decision, plan: Mapping[str, Any]) -> None:
    """Note, before anything is published, what an open letter becomes: `replay_id`, `new_delivery_id` and
    `change_digest`; with an audit entry."""
    connection.execute(_QUERIES["plan_redrive"].encode(), {**_decided(place, decision), **plan})
    after = {
        "state": "redriven",
        "reason": decision.reason,
        "new_delivery_id": str(plan["new_delivery_id"]),
        "changed": plan["change_digest"] is not None,
    }
    write_audit_entry(
        connection, decision.actor, "dead_letter.redriven", str(place), before={"state": "open"}, after=after
    )


def note_published(connection: Connection, tenant_id: UUID, places: Sequence[Place]) -> None:
    """Their new records are acknowledged."""
    parameters = {"tenant_id": tenant_id, "at": datetime.now(UTC), **_columns(places)}
    connection.execute(_QUERIES["note_published"].encode(), parameters)


def _decided(place: Place, decision: Decision) -> dict[str, Any]:
    topic, partition, offset = place
    return {
        "tenant_id": decision.actor.tenant_id,
        **{"topic": topic, "partition": partition, "record_offset": offset},
        "decided_at": decision.at,
        "decided_by": Jsonb(decision.actor.as_json()),
        "reason": decision.reason,
    }


def _columns(places: Sequence[Place]) -> dict[str, Any]:
    return {
        "topics": [place.topic for place in places],
        "partitions": [place.partition for place in places],
        "offsets": [place.offset for place in places],
    }


def _count(connection: Connection, parameters: Mapping[str, Any]) -> Total:
    row = connection.execute(_QUERIES["count_letters"].encode(), parameters).fetchone()
    rows = 0 if row is None else int(row["total"])
    return Total(min(rows, TOTAL_MAX), is_exact=rows <= TOTAL_MAX)


def _get(connection: Connection, tenant_id: UUID, place: Place) -> Row:
    topic, partition, offset = place
    parameters = {"tenant_id": tenant_id, "topic": topic, "partition": partition, "record_offset": offset}
    row = connection.execute(_QUERIES["get_letter"].encode(), parameters).fetchone()
    if row is None:
        raise NotFoundError(f"no dead letter {place}")
    return row
