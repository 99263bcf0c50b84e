"""The tenant's own row in Postgres."""

from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from infra.postgres import Connection, Pool, Row, tenant_transaction
from infra.queries import load_queries
from management.access import Actor
from management.audit_entries.repository import write_audit_entry
from management.errors import NotFoundError


class TenantRepository:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries(Path(__file__).parent / "queries.sql")

    def get(self, tenant_id: UUID) -> Row:
        """The row. Raises NotFoundError when the tenant is gone meanwhile."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            return self._read(connection, tenant_id)

    def update(self, actor: Actor, changed: Callable[[Row], Row]) -> Row:
        """Give columns of the actor's tenant the values that `changed` makes of the row, with an audit entry of those
        that differ; nothing where none does."""
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            connection.execute(self._queries["lock_tenant"].encode(), {"tenant_id": actor.tenant_id})
            before = self._read(connection, actor.tenant_id)
            after = changed(before)
            differing = [name for name in before if after[name] != before[name]]
            if not differing:
                return before
            connection.execute(self._queries["update_tenant"].encode(), {**after, "tenant_id": actor.tenant_id})
            change = {"before": _only(before, differing), "after": _only(after, differing)}
            write_audit_entry(connection, actor, "tenant.updated", actor.tenant_id, **change)
            return self._read(connection, actor.tenant_id)

    def _read(self, connection: Connection, tenant_id: UUID) -> Row:
        row = connection.execute(self._queries["get_tenant"].encode(), {"tenant_id": tenant_id}).fetchone()
        if row is None:
            raise NotFoundError(f"no tenant {tenant_id}")
        return row


def _only(row: Row, names: Sequence[str]) -> Row:
    return {name: row[name] for name in names}
