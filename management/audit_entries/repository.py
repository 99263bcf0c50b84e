"""Audit entries in Postgres; every statement is for one tenant."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from infra.clock import now_us
from infra.ids import uuid7_text
from infra.postgres import Connection, Pool, Row, tenant_transaction
from infra.queries import load_whole_queries
from management.access import Actor
from management.audit_entries.schemas import AuditFilter
from management.paging import page_parameters, read_page

_QUERIES = load_whole_queries(Path(__file__).parent / "queries.sql")
_SYSTEM = {"type": "system", "id": None, "name": "hookline"}


class AuditRepository:
    """Reads only. Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def page(self, tenant_id: UUID, wanted: AuditFilter) -> tuple[list[Row], int]:
        """The rows of a page, newest first, and how many there are in all."""
        parameters = {
            "tenant_id": tenant_id,
            "actor": wanted.actor,
            "action": wanted.action,
            "resource_type": wanted.resource_type,
            "resource_id": wanted.resource_id,
            **page_parameters(wanted),
        }
        with tenant_transaction(self._pool, tenant_id) as connection:
            return read_page(connection, _QUERIES, parameters, count="count_audit_entries", rows="list_audit_entries")


def write_audit_entry(
    connection: Connection,
    actor: Actor,
    action: str,
    resource_id: UUID | str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry to the change's own transaction. `action` is `resource.past_tense` (`inbound_webhook.updated`).

    `before` and `after` are JSON values without any secret; None where there was or is nothing.
    """
    by = {
        "tenant_id": actor.tenant_id,
        "actor": Jsonb(actor.as_json()),
        "request_id": actor.request_id,
        "source_ip": actor.source_ip,
    }
    _insert(connection, by, action, resource_id, before=before, after=after)


def write_system_audit_entry(
    connection: Connection,
    tenant_id: UUID,
    action: str,
    resource_id: UUID | str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """As `write_audit_entry`, for the operator, and for what Hookline does long after whoever asked for it."""
    by = {"tenant_id": tenant_id, "actor": Jsonb(_SYSTEM), "request_id": "", "source_ip": ""}
    _insert(connection, by, action, resource_id, before=before, after=after)


def _insert(
    connection: Connection,
    by: Mapping[str, Any],
    action: str,
    resource_id: UUID | str,
    *,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    entry = {
        **by,
        "id": UUID(uuid7_text(now_us())),
        "action": action,
        "resource_type": action.partition(".")[0],
        "resource_id": str(resource_id),
        "before": None if before is None else Jsonb(before),
        "after": None if after is None else Jsonb(after),
    }
    connection.execute(_QUERIES["insert_audit_entry"].encode(), entry)
