"""Alerts in Postgres; every statement is for one tenant."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from infra.entities.outbox import Cause, write_events
from infra.postgres import Connection, Pool, Row, tenant_transaction
from infra.queries import load_whole_queries
from management.access import Actor
from management.alerting.telling import ACKNOWLEDGED, shown, told
from management.alerts.schemas import AlertFilter
from management.audit_entries.repository import write_audit_entry
from management.errors import ConflictError, NotFoundError
from management.paging import page_parameters, read_page

_QUERIES = load_whole_queries(Path(__file__).parent / "queries.sql")
_HOPS = 1


class AlertRepository:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def page(self, tenant_id: UUID, wanted: AlertFilter) -> tuple[list[Row], int]:
        """The rows of a page, newest first, and how many there are in all."""
        filters = wanted.model_dump(include={"state", "rule", "severity", "webhook_id"})
        parameters = {"tenant_id": tenant_id, **filters, **page_parameters(wanted)}
        with tenant_transaction(self._pool, tenant_id) as connection:
            return read_page(connection, _QUERIES, parameters, count="count_alerts", rows="list_alerts")

    def get(self, tenant_id: UUID, alert_id: UUID) -> Row:
        """One alert. Raises NotFoundError, also for another tenant's and the installation's."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            return _get(connection, tenant_id, alert_id)

    def acknowledge(self, actor: Actor, alert_id: UUID) -> Row:
        """Note that the actor looks after it, with an event and an audit entry; the alert after it.

        Whose alert was acknowledged before stays its. Raises NotFoundError; ConflictError when it is resolved.
        """
        at = datetime.now(UTC)
        parameters = {"tenant_id": actor.tenant_id, "id": alert_id, "at": at, "by": Jsonb(actor.as_json())}
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            row = connection.execute(_QUERIES["acknowledge_alert"].encode(), parameters).fetchone()
            if row is None:
                found = _get(connection, actor.tenant_id, alert_id)
                if found["acknowledged_at"] is None:
                    raise ConflictError(f"alert {alert_id} is resolved: there is nothing to look after any more")
                return found
            _tell(connection, actor, row, at)
            return row


def _get(connection: Connection, tenant_id: UUID, alert_id: UUID) -> Row:
    parameters: dict[str, Any] = {"tenant_id": tenant_id, "id": alert_id}
    row = connection.execute(_QUERIES["get_alert"].encode(), parameters).fetchone()
    if row is None:
        raise NotFoundError(f"no alert {alert_id}")
    return row


def _tell(connection: Connection, actor: Actor, row: Row, at: datetime) -> None:
    after = shown(row)
    members = ("acknowledged_at", "acknowledged_by")
    changes = {name: {"previous": None, "new": after[name]} for name in members}
    cause = Cause(actor.as_json(), actor.request_id, _HOPS)
    write_events(connection, actor.tenant_id, at, [told(ACKNOWLEDGED, row, cause, at=at, changes=changes)])
    before = dict.fromkeys(members)
    write_audit_entry(
        connection, actor, ACKNOWLEDGED, row["id"], before=before, after={name: after[name] for name in members}
    )
