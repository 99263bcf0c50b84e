"""Versions in Postgres; every statement is for one tenant, in a transaction of the caller's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from infra.postgres import Connection, Row
from infra.queries import load_queries
from management.errors import NotFoundError
from management.paging import read_page

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")


def insert_version(
    connection: Connection,
    tenant_id: UUID,
    webhook_id: UUID,
    version: int,
    *,
    change: str,
    config: Mapping[str, Any],
    changed_by: Mapping[str, Any],
) -> None:
    """Keep what a version is; `config` has no secret."""
    parameters = {
        "tenant_id": tenant_id,
        "webhook_id": webhook_id,
        "version": version,
        "change": change,
        "config": Jsonb(config),
        "changed_by": Jsonb(changed_by),
    }
    connection.execute(_QUERIES["insert_version"].encode(), parameters)


def list_versions(
    connection: Connection, tenant_id: UUID, webhook_id: UUID, *, limit: int, offset: int
) -> tuple[list[Row], int]:
    """The rows of a page, newest first, and how many there are in all."""
    parameters = {"tenant_id": tenant_id, "webhook_id": webhook_id, "limit": limit, "offset": offset}
    return read_page(connection, _QUERIES, parameters, count="count_versions", rows="list_versions")


def load_version(connection: Connection, tenant_id: UUID, webhook_id: UUID, version: int) -> tuple[Row, Row | None]:
    """A version and the one before it, None for the first that is kept. Raises NotFoundError."""
    parameters = {"tenant_id": tenant_id, "webhook_id": webhook_id, "version": version}
    rows = connection.execute(_QUERIES["get_version_and_the_one_before"].encode(), parameters).fetchall()
    if not rows or rows[0]["version"] != version:
        raise NotFoundError(f"webhook {webhook_id} has no version {version}")
    return rows[0], rows[1] if len(rows) > 1 else None
