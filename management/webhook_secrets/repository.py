"""Sealed secrets in Postgres; every statement is for one tenant, in a transaction of the caller's."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

from infra.postgres import Connection
from infra.queries import load_queries

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")


def replace_secrets(connection: Connection, tenant_id: UUID, webhook_id: UUID, sealed: str | None) -> None:
    """Have `sealed` as the only secret, from now on; None: have none."""
    parameters = {"tenant_id": tenant_id, "webhook_id": webhook_id, "sealed": sealed}
    connection.execute(_QUERIES["delete_secrets"].encode(), parameters)
    if sealed is not None:
        connection.execute(_QUERIES["insert_current"].encode(), parameters)


def rotate_secret(
    connection: Connection, tenant_id: UUID, webhook_id: UUID, sealed: str, *, previous_valid_until: datetime
) -> None:
    """Have `sealed` as the current secret, and the one that was current as the previous one until then."""
    parameters = {
        "tenant_id": tenant_id,
        "webhook_id": webhook_id,
        "sealed": sealed,
        "valid_until": previous_valid_until,
    }
    connection.execute(_QUERIES["delete_previous"].encode(), parameters)
    connection.execute(_QUERIES["keep_as_previous"].encode(), parameters)
    connection.execute(_QUERIES["insert_current"].encode(), parameters)


def drop_previous(connection: Connection, tenant_id: UUID, webhook_id: UUID) -> None:
    """Have the current secret alone."""
    connection.execute(_QUERIES["delete_previous"].encode(), {"tenant_id": tenant_id, "webhook_id": webhook_id})
