"""The tenant's own row in Postgres."""

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

    def rename(self, actor: Actor, name: str) -> Row:
        """Give the actor's tenant another name, with its audit entry; nothing where it has this one."""
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            before = self._read(connection, actor.tenant_id)
            parameters = {"tenant_id": actor.tenant_id, "name": name}
            if connection.execute(self._queries["rename_tenant"].encode(), parameters).rowcount == 0:
                return before
            change = {"before": {"name": before["name"]}, "after": {"name": name}}
            write_audit_entry(connection, actor, "tenant.updated", actor.tenant_id, **change)
            return self._read(connection, actor.tenant_id)

    def _read(self, connection: Connection, tenant_id: UUID) -> Row:
        row = connection.execute(self._queries["get_tenant"].encode(), {"tenant_id": tenant_id}).fetchone()
        if row is None:
            raise NotFoundError(f"no tenant {tenant_id}")
        return row
