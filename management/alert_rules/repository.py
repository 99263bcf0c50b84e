"""What tenants have changed of the alert rules, in Postgres; every statement is for one tenant."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from infra.postgres import Connection, Pool, Row, tenant_transaction
from infra.queries import load_queries
from management.access import Actor
from management.audit_entries.repository import write_audit_entry
from management.errors import NotFoundError

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")


class AlertRuleRepository:
    """Raises PostgresUnavailableError while Postgres is away. `webhook_id` None: all webhooks of the tenant."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def overrides(self, tenant_id: UUID, webhook_id: UUID | None) -> list[Row]:
        """Those of the tenant, and of the webhook. Raises NotFoundError when the tenant has no such webhook."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            _require_webhook(connection, tenant_id, webhook_id)
            parameters = {"tenant_id": tenant_id, "webhook_id": webhook_id}
            return connection.execute(_QUERIES["list_overrides"].encode(), parameters).fetchall()

    def write(self, actor: Actor, rule: str, webhook_id: UUID | None, parameters: Mapping[str, Any]) -> None:
        """Replace the override, with an audit entry where it differs. Raises NotFoundError: no such webhook."""
        place = {"tenant_id": actor.tenant_id, "rule": rule, "webhook_id": webhook_id}
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            _require_webhook(connection, actor.tenant_id, webhook_id)
            before = _locked(connection, place)
            values = {**place, "parameters": Jsonb(parameters), "by": Jsonb(actor.as_json())}
            connection.execute(_QUERIES["write_override"].encode(), values)
            if before != parameters:
                _audit(connection, actor, "alert_rule.updated", place, before=before, after=parameters)

    def delete(self, actor: Actor, rule: str, webhook_id: UUID | None) -> None:
        """Take the override away, with an audit entry. Raises NotFoundError where there is none."""
        place = {"tenant_id": actor.tenant_id, "rule": rule, "webhook_id": webhook_id}
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            before = _locked(connection, place)
            if before is None:
                raise NotFoundError(f"nothing is changed of the rule {rule} here")
            connection.execute(_QUERIES["delete_override"].encode(), place)
            _audit(connection, actor, "alert_rule.deleted", place, before=before, after=None)


def _locked(connection: Connection, place: Mapping[str, Any]) -> dict[str, Any] | None:
    """The override as it is; other changes of it wait until the transaction ends."""
    row = connection.execute(_QUERIES["lock_override"].encode(), place).fetchone()
    return None if row is None else row["parameters"]


def _audit(
    connection: Connection,
    actor: Actor,
    action: str,
    place: Mapping[str, Any],
    *,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    subject = place["rule"] if place["webhook_id"] is None else f"{place['rule']}/{place['webhook_id']}"
    write_audit_entry(connection, actor, action, subject, before=before, after=after)


def _require_webhook(connection: Connection, tenant_id: UUID, webhook_id: UUID | None) -> None:
    if webhook_id is not None:
        parameters = {"tenant_id": tenant_id, "id": webhook_id}
        if connection.execute(_QUERIES["find_webhook"].encode(), parameters).fetchone() is None:
            raise NotFoundError(f"no webhook {webhook_id}")
