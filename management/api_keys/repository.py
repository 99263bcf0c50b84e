"""API keys in Postgres. Only hashes are stored; the lookup shows the one row whose hash was presented."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from infra.postgres import Connection, Pool, Row, set_tenant, tenant_transaction, unavailability_translated
from infra.queries import load_queries
from management.access import Actor
from management.api_keys.schemas import ApiKeyFilter
from management.audit_entries.repository import write_audit_entry
from management.errors import ConflictError
from management.paging import page_parameters
from management.rate_limit import CallRate

Cursor = psycopg.Cursor[Row]


class ApiKeyRepository:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool, *, keys_max: int) -> None:
        self._pool = pool
        self._keys_max = keys_max
        self._queries = load_queries(Path(__file__).parent / "queries.sql")

    def find(self, key_hash: bytes, source_ip: str) -> tuple[Row, CallRate] | None:
        """The usable key with this hash, its tenant, its user's permissions, and the tenant's rate after this call.

        One transaction: what is read of key, user and roles fits together. The token is taken last, since calls of one
        tenant wait for each other from then on.
        """
        with unavailability_translated(), self._pool.connection() as connection:
            self._execute(connection, "present_key_hash", {"key_hash_hex": key_hash.hex()})
            key = self._execute(connection, "find_key", {"key_hash": key_hash}).fetchone()
            if key is None or key["revoked_at"] is not None or key["is_expired"]:
                return None
            set_tenant(connection, key["tenant_id"])
            holder = self._execute(connection, "read_holder", key).fetchone()
            if holder is None or (key["user_id"] is not None and not holder["user_is_active"]):
                return None
            self._execute(connection, "note_key_use", {**key, "source_ip": source_ip})
            return {**key, **holder}, self._take_token(connection, key["tenant_id"], holder["api_requests_per_minute"])

    def page(self, tenant_id: UUID, wanted: ApiKeyFilter) -> tuple[list[Row], int]:
        """The rows of a page, newest first, and how many there are in all."""
        parameters = {"tenant_id": tenant_id, "active": wanted.active, **page_parameters(wanted)}
        with tenant_transaction(self._pool, tenant_id) as connection:
            [found] = self._execute(connection, "page_keys", parameters).fetchall()
            return self._load(connection, tenant_id, found["ids"]), found["total"]

    def get(self, tenant_id: UUID, key_id: UUID) -> Row | None:
        """One key, whatever its state."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            return self._read(connection, tenant_id, key_id)

    def create(self, actor: Actor, values: Mapping[str, Any], audited: Mapping[str, Any]) -> Row:
        """Insert a key of the actor's user with its audit entry; the row as it is shown. Raises ConflictError."""
        parameters = {
            **values,
            "tenant_id": actor.tenant_id,
            "user_id": actor.user_id,
            "created_by": Jsonb(actor.as_json()),
        }
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            [living] = self._execute(connection, "count_living_keys", parameters).fetchall()
            if living["keys"] >= self._keys_max:
                raise ConflictError(
                    f"the tenant has {living['keys']:,} API keys, and may have no more: revoke some first"
                )
            self._execute(connection, "insert_key", parameters)
            write_audit_entry(connection, actor, "api_key.created", values["id"], after=audited)
            row = self._read(connection, actor.tenant_id, values["id"])
            assert row is not None  # noqa: S101 - inserted above
            return row

    def revoke(self, actor: Actor, key_id: UUID) -> bool:
        """Whether there is such a key; it is dead from now on. Only the first revocation is an entry of the audit."""
        wanted = {"tenant_id": actor.tenant_id, "id": key_id}
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            key = self._read(connection, actor.tenant_id, key_id)
            if key is None:
                return False
            if self._execute(connection, "revoke_key", wanted).rowcount == 1:
                entry = {"name": key["name"], "prefix": key["key_prefix"]}
                write_audit_entry(connection, actor, "api_key.revoked", key_id, before=entry)
            return True

    def _take_token(self, connection: Connection, tenant_id: UUID, limit: int) -> CallRate:
        parameters = {"tenant_id": tenant_id, "limit": limit}
        taken = self._execute(connection, "take_token", parameters).fetchone()
        if taken is not None:
            return CallRate(limit, taken["tokens"], allowed=True)
        left = self._execute(connection, "read_tokens", parameters).fetchone()
        return CallRate(limit, 0.0 if left is None else min(left["tokens"], 1.0), allowed=False)

    def _read(self, connection: Connection, tenant_id: UUID, key_id: UUID) -> Row | None:
        return next(iter(self._load(connection, tenant_id, [key_id])), None)

    def _load(self, connection: Connection, tenant_id: UUID, key_ids: Sequence[UUID]) -> list[Row]:
        """Those that are there, in the order of the ids."""
        return self._execute(connection, "load_keys", {"tenant_id": tenant_id, "ids": list(key_ids)}).fetchall()

    def _execute(self, connection: Connection, name: str, parameters: Mapping[str, Any]) -> Cursor:
        return connection.execute(self._queries[name].encode(), parameters)
