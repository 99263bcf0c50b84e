"""Erasures in Postgres; every statement is for one tenant, but for the list of those that are due."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from infra.postgres import Connection, Pool, Row, tenant_transaction
from infra.queries import load_whole_queries
from management.access import Actor
from management.audit_entries.repository import write_audit_entry, write_system_audit_entry
from management.erasures.receipts import receipt_hash
from management.erasures.schemas import ErasureFilter
from management.errors import ConflictError, NotFoundError
from management.paging import page_parameters, read_page

_QUERIES = load_whole_queries(Path(__file__).parent / "queries.sql")
#: Each is looked for again until Kafka has forgotten.
OPEN_MAX = 100
_DUE_MAX = 20
_AUDITED = ("kind", "delivery_id", "webhook_id", "path", "value_fingerprint", "reason")


class ErasureRepository:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def add(self, actor: Actor, erasure: Mapping[str, Any]) -> Row:
        """Insert one, with its audit entry. Raises ConflictError where too many are in force."""
        parameters = {**erasure, "tenant_id": actor.tenant_id, "asked_by": Jsonb(actor.as_json())}
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            count = connection.execute(_QUERIES["count_open"].encode(), parameters).fetchone()
            if count is not None and count["erasures"] >= OPEN_MAX:
                raise ConflictError(f"{OPEN_MAX} erasures of the tenant are in force: wait until one has ended")
            connection.execute(_QUERIES["insert_erasure"].encode(), parameters)
            after = {name: _json(erasure[name]) for name in _AUDITED if erasure[name] is not None}
            write_audit_entry(connection, actor, "erasure.asked", erasure["id"], after=after)
            return _get(connection, actor.tenant_id, erasure["id"])

    def get(self, tenant_id: UUID, erasure_id: UUID) -> Row:
        """One. Raises NotFoundError, also for another tenant's."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            return _get(connection, tenant_id, erasure_id)

    def page(self, tenant_id: UUID, wanted: ErasureFilter) -> tuple[list[Row], int]:
        """The rows of a page, newest first, and how many there are in all."""
        parameters = {"tenant_id": tenant_id, "status": wanted.status, **page_parameters(wanted)}
        with tenant_transaction(self._pool, tenant_id) as connection:
            return read_page(connection, _QUERIES, parameters, count="count_erasures", rows="list_erasures")

    def note_removal(self, erasure: Row, version: int, entities: Sequence[str]) -> None:
        """What has to have ended before it is done, and which entities the deliveries led to."""
        self._execute("note_removal", erasure, removal=version, entities=list(entities))

    def note_wait(self, erasure: Row, wait_seconds: float, failure: str | None) -> None:
        """Look again later."""
        self._execute("note_wait", erasure, wait_seconds=wait_seconds, failure=failure)

    def note_done(self, erasure: Row, receipt: Mapping[str, Any], *, removed_at: datetime, wait_seconds: float) -> None:
        """With its receipt, whose hash goes into the audit, which nobody can change."""
        with tenant_transaction(self._pool, erasure["tenant_id"]) as connection:
            parameters = {
                "tenant_id": erasure["tenant_id"],
                "id": erasure["id"],
                "receipt": Jsonb(receipt),
                "receipt_hash": receipt_hash(receipt),
                "removed_at": removed_at,
                "wait_seconds": wait_seconds,
            }
            connection.execute(_QUERIES["note_done"].encode(), parameters)
            after = {"revision": receipt["revision"], "receipt_hash": parameters["receipt_hash"]}
            write_system_audit_entry(connection, erasure["tenant_id"], "erasure.done", erasure["id"], after=after)

    def close(self, erasure: Row, *, status: str, failure: str | None = None) -> None:
        """Forget the value."""
        self._execute("close_erasure", erasure, status=status, failure=failure)

    def _execute(self, name: str, erasure: Row, **parameters: Any) -> None:
        with tenant_transaction(self._pool, erasure["tenant_id"]) as connection:
            by = {"tenant_id": erasure["tenant_id"], "id": erasure["id"]}
            connection.execute(_QUERIES[name].encode(), {**by, **parameters})


def list_due(connection: Connection) -> list[Row]:
    """Of all tenants, those that have waited longest. `connection` works as hookline_relay."""
    return connection.execute(_QUERIES["list_due"].encode(), {"limit": _DUE_MAX}).fetchall()


def _get(connection: Connection, tenant_id: UUID, erasure_id: UUID) -> Row:
    parameters = {"tenant_id": tenant_id, "id": erasure_id}
    row = connection.execute(_QUERIES["get_erasure"].encode(), parameters).fetchone()
    if row is None:
        raise NotFoundError(f"no erasure {erasure_id}")
    return row


def _json(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value
