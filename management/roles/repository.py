"""Roles in Postgres; every statement is for one tenant."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation

from infra.postgres import Connection, Pool, Row, tenant_transaction
from infra.queries import load_queries
from management.access import Actor
from management.audit_entries.repository import write_audit_entry
from management.errors import ConflictError, NotFoundError, Problem
from management.paging import page_parameters, read_page
from management.roles.schemas import RoleFilter

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")
_AUDITED = ("name", "description", "permissions")
Check = Callable[[Row], None]


def lock_rights(connection: Connection, tenant_id: UUID) -> None:
    """One change of a tenant's rights at a time, until the transaction ends: what was checked stays true meanwhile."""
    connection.execute(_QUERIES["lock_rights"].encode(), {"tenant_id": tenant_id})


class RoleRepository:
    """Raises PostgresUnavailableError while Postgres is away. A check gets the row and raises to refuse the change."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def page(self, tenant_id: UUID, wanted: RoleFilter) -> tuple[list[Row], int]:
        """The rows of a page, newest first, and how many there are in all."""
        parameters = {"tenant_id": tenant_id, "search": wanted.search, **page_parameters(wanted)}
        with tenant_transaction(self._pool, tenant_id) as connection:
            return read_page(connection, _QUERIES, parameters, count="count_roles", rows="list_roles")

    def get(self, tenant_id: UUID, role_id: UUID) -> Row:
        """One role. Raises NotFoundError."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            return _read(connection, tenant_id, role_id)

    def create(self, actor: Actor, role_id: UUID, values: Mapping[str, Any]) -> Row:
        """Insert a role with its audit entry. Raises ConflictError when the name is taken."""
        with self._changing(actor) as connection:
            _execute(connection, "insert_role", {**values, "tenant_id": actor.tenant_id, "id": role_id})
            row = _read(connection, actor.tenant_id, role_id)
            write_audit_entry(connection, actor, "role.created", role_id, after=_audited(row))
            return row

    def update(self, actor: Actor, role_id: UUID, changes: Mapping[str, Any], check: Check) -> Row:
        """Change a role with its audit entry; nothing where nothing differs. Raises NotFoundError, ConflictError."""
        with self._changing(actor) as connection:
            before = _read(connection, actor.tenant_id, role_id)
            check(before)
            if all(before[name] == value for name, value in changes.items()):
                return before
            _execute(connection, "update_role", {**before, **changes, "tenant_id": actor.tenant_id})
            row = _read(connection, actor.tenant_id, role_id)
            entry = {"before": _audited(before), "after": _audited(row)}
            write_audit_entry(connection, actor, "role.updated", role_id, **entry)
            return row

    def delete(self, actor: Actor, role_id: UUID, check: Check) -> None:
        """Delete a role with its audit entry. Raises NotFoundError."""
        with self._changing(actor) as connection:
            before = _read(connection, actor.tenant_id, role_id)
            check(before)
            _execute(connection, "delete_role", {"tenant_id": actor.tenant_id, "id": role_id})
            write_audit_entry(connection, actor, "role.deleted", role_id, before=_audited(before))

    @contextmanager
    def _changing(self, actor: Actor) -> Iterator[Connection]:
        try:
            with tenant_transaction(self._pool, actor.tenant_id) as connection:
                lock_rights(connection, actor.tenant_id)
                yield connection
        except UniqueViolation as error:
            problem = Problem("name", "there is a role of this name already")
            raise ConflictError(problem.message, details=[problem]) from error


def _read(connection: Connection, tenant_id: UUID, role_id: UUID) -> Row:
    row: Row | None = _execute(connection, "get_role", {"tenant_id": tenant_id, "id": role_id}).fetchone()
    if row is None:
        raise NotFoundError(f"no role {role_id}")
    return row


def _audited(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in _AUDITED}


def _execute(connection: Connection, name: str, parameters: Mapping[str, Any]) -> Any:
    return connection.execute(_QUERIES[name].encode(), parameters)
