"""Declared event types in Postgres; every statement is for one tenant."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.types.json import Json, Jsonb

from infra.postgres import Connection, Pool, Row, tenant_transaction
from infra.queries import load_queries
from management.access import Actor
from management.audit_entries.repository import write_audit_entry
from management.errors import ConflictError, NotFoundError, Problem
from management.paging import read_page

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")
VERSIONS_MAX = 1_000


class EventTypeRepository:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def page(self, tenant_id: UUID, search: str, *, limit: int, offset: int) -> tuple[list[Row], int]:
        """Declared types by name, each with its newest version, and how many there are in all."""
        parameters = {"tenant_id": tenant_id, "search": search, "limit": limit, "offset": offset}
        with tenant_transaction(self._pool, tenant_id) as connection:
            return read_page(connection, _QUERIES, parameters, count="count_event_types", rows="list_event_types")

    def versions(self, tenant_id: UUID, name: str) -> tuple[list[Row], Row]:
        """The versions of a type, newest first, and the newest with its schema. Raises NotFoundError."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            versions = _versions(connection, tenant_id, name)
            return versions, _version(connection, tenant_id, name, versions[0]["version"])

    def version(self, tenant_id: UUID, name: str, version: int) -> Row:
        """One version with its schema. Raises NotFoundError."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            return _version(connection, tenant_id, name, version)

    def create(self, actor: Actor, name: str, values: Mapping[str, Any]) -> Row:
        """Insert version 1 with its audit entry. Raises ConflictError when there is such a type."""
        try:
            with tenant_transaction(self._pool, actor.tenant_id) as connection:
                return _insert(connection, actor, name, 1, values)
        except UniqueViolation as error:
            problem = Problem("name", f"there is an event type {name} already: make a new version of it")
            raise ConflictError(problem.message, details=[problem]) from error

    def add_version(self, actor: Actor, name: str, values: Mapping[str, Any], check: Callable[[Row], None]) -> Row:
        """Insert the next version with its audit entry, unless `check` of the newest raises. Raises NotFoundError.

        A description of None becomes the newest version's.
        """
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            _lock(connection, actor.tenant_id, name)
            newest = _versions(connection, actor.tenant_id, name)[0]
            if newest["version"] >= VERSIONS_MAX:
                raise ConflictError(f"an event type has at most {VERSIONS_MAX} versions")
            check(_version(connection, actor.tenant_id, name, newest["version"]))
            description = newest["description"] if values["description"] is None else values["description"]
            inserted = {**values, "description": description}
            return _insert(connection, actor, name, newest["version"] + 1, inserted)

    def delete(self, actor: Actor, name: str) -> None:
        """Delete a type with all its versions and an audit entry. Raises NotFoundError, ConflictError."""
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            _lock(connection, actor.tenant_id, name)
            parameters = {"tenant_id": actor.tenant_id, "name": name}
            slugs = [row["slug"] for row in _execute(connection, "webhooks_that_validate", parameters)]
            if slugs:
                raise ConflictError(f"webhooks validate their bodies against it: {', '.join(slugs)}")
            newest = _versions(connection, actor.tenant_id, name)[0]
            _execute(connection, "delete_event_type", parameters)
            before = {"version": newest["version"], "description": newest["description"]}
            write_audit_entry(connection, actor, "event_type.deleted", name, before=before)


def _lock(connection: Connection, tenant_id: UUID, name: str) -> None:
    """Other changes of the type wait until the transaction ends. Raises NotFoundError."""
    if _execute(connection, "lock_event_type", {"tenant_id": tenant_id, "name": name}).fetchone() is None:
        raise NotFoundError(f"no event type {name}")


def _versions(connection: Connection, tenant_id: UUID, name: str) -> list[Row]:
    rows: list[Row] = _execute(connection, "list_versions", {"tenant_id": tenant_id, "name": name}).fetchall()
    if not rows:
        raise NotFoundError(f"no event type {name}")
    return rows


def _version(connection: Connection, tenant_id: UUID, name: str, version: int) -> Row:
    parameters = {"tenant_id": tenant_id, "name": name, "version": version}
    row: Row | None = _execute(connection, "read_version", parameters).fetchone()
    if row is None:
        raise NotFoundError(f"no version {version} of an event type {name}")
    return row


def _insert(connection: Connection, actor: Actor, name: str, version: int, values: Mapping[str, Any]) -> Row:
    parameters = {
        "tenant_id": actor.tenant_id,
        "name": name,
        "version": version,
        "description": values["description"],
        "schema": Json(values["json_schema"]),
        "created_by": Jsonb(actor.as_json()),
    }
    _execute(connection, "insert_version", parameters)
    action = "event_type.created" if version == 1 else "event_type.version_created"
    after = {"version": version, **{name: value for name, value in values.items() if name != "json_schema"}}
    write_audit_entry(connection, actor, action, name, after=after)
    return _version(connection, actor.tenant_id, name, version)


def _execute(connection: Connection, name: str, parameters: Mapping[str, Any]) -> Any:
    return connection.execute(_QUERIES[name].encode(), parameters)
