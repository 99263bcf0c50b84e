"""Accounts as a sign-in finds them, and sessions, in Postgres. Only hashes of tokens are stored."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from infra.postgres import Connection, Pool, Row, set_tenant, tenant_transaction, unavailability_translated
from infra.queries import load_whole_queries
from infra.settings import ManagementSettings
from management.access import Actor
from management.audit_entries.repository import write_audit_entry
from management.paging import PageRequest, page_parameters, read_page

QUERIES_FILE = Path(__file__).parent / "queries.sql"
#: Stands where there is no tenant: for addresses, which are everybody's, and for tenants that do not exist.
NO_TENANT = UUID(int=0)
_GRANULARITY_SECONDS = 60


class NamedAccount(NamedTuple):
    """An account as a sign-in names it. `tenant_id` and `user_id` are None where there is none of that name.

    `password_hash` is None as well for a user who may not sign in.
    """

    tenant_slug: str
    email: str
    tenant_id: UUID | None
    user_id: UUID | None
    username: str
    password_hash: str | None


class NewSession(NamedTuple):
    """A session to be stored. `presented_hash` is of the session that the same browser had before, if any."""

    id: UUID
    user_id: UUID
    token_hash: bytes
    source_ip: str
    user_agent: str
    presented_hash: bytes | None


class SessionRepository:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool, settings: ManagementSettings) -> None:
        self._pool = pool
        self._queries = load_whole_queries(QUERIES_FILE)
        self._bounds = {
            "idle_seconds": settings.session_idle_seconds,
            "lifetime_seconds": settings.session_lifetime_seconds,
            "sessions_max": settings.user_sessions_max,
            "granularity_seconds": min(_GRANULARITY_SECONDS, settings.session_idle_seconds // 4),
        }

    def find_account(self, tenant_slug: str, email: str) -> NamedAccount:
        """The account of that name, with the same statements whether there is one or not."""
        with unavailability_translated(), self._pool.connection() as connection:
            self._execute(connection, "present_tenant_slug", {"slug": tenant_slug})
            tenant = self._execute(connection, "find_tenant", {"slug": tenant_slug}).fetchone()
            tenant_id = NO_TENANT if tenant is None else tenant["id"]
            set_tenant(connection, tenant_id)
            user = self._execute(connection, "find_user", {"tenant_id": tenant_id, "email": email}).fetchone()
        found = None if tenant is None else tenant_id
        if user is None:
            return NamedAccount(tenant_slug, email, found, None, "", None)
        usable = user["password_hash"] if user["is_active"] else None
        return NamedAccount(tenant_slug, email, found, user["id"], user["username"], usable)

    def open(self, actor: Actor, session: NewSession, *, password_hash: str, new_hash: str | None) -> Row | None:
        """Store a session; what `find` would give. None when the user has meanwhile another password, or may not.

        The oldest sessions over the bound, and those that ended, go; so does the one this browser had.
        """
        parameters = {**session._asdict(), "tenant_id": actor.tenant_id, "new_hash": new_hash, **self._bounds}
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            user = self._execute(connection, "lock_user", parameters).fetchone()
            if user is None or not user["is_active"] or user["password_hash"] != password_hash:
                return None
            self._execute(connection, "delete_presented_session", parameters)
            self._execute(connection, "insert_session", parameters)
            self._execute(connection, "trim_sessions", parameters)
            self._execute(connection, "note_sign_in", parameters)
            write_audit_entry(connection, actor, "session.created", session.id)
            return self._read(connection, actor.tenant_id, session.id)

    def find(self, token_hash: bytes) -> Row | None:
        """The session with its user, tenant and permissions; None when it ended or its user may not sign in."""
        with unavailability_translated(), self._pool.connection() as connection:
            self._execute(connection, "present_session_hash", {"token_hash_hex": token_hash.hex()})
            session = self._execute(connection, "find_session", {"token_hash": token_hash, **self._bounds}).fetchone()
            if session is None:
                return None
            set_tenant(connection, session["tenant_id"])
            self._execute(connection, "note_session_use", {**session, **self._bounds})
            row = self._read(connection, session["tenant_id"], session["id"])
            return {**row, "token_hash": session["token_hash"]} if row is not None and row["is_active"] else None

    def get(self, tenant_id: UUID, session_id: UUID) -> Row | None:
        """As `find`, for a session that was found before."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            return self._read(connection, tenant_id, session_id)

    def page(self, tenant_id: UUID, user_id: UUID, wanted: PageRequest) -> tuple[list[Row], int]:
        """Open sessions of a user, newest first, and how many there are in all."""
        parameters = {"tenant_id": tenant_id, "user_id": user_id, **self._bounds, **page_parameters(wanted)}
        with tenant_transaction(self._pool, tenant_id) as connection:
            return read_page(connection, self._queries, parameters, count="count_sessions", rows="list_sessions")

    def end(self, actor: Actor, session_id: UUID) -> bool:
        """Whether the actor's user had such a session; it is over."""
        parameters = {"tenant_id": actor.tenant_id, "user_id": actor.user_id, "id": session_id}
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            if self._execute(connection, "delete_session", parameters).rowcount == 0:
                return False
            write_audit_entry(connection, actor, "session.ended", session_id)
            return True

    def _read(self, connection: Connection, tenant_id: UUID, session_id: UUID) -> Row | None:
        row: Row | None = self._execute(
            connection, "read_session", {"tenant_id": tenant_id, "id": session_id}
        ).fetchone()
        return row

    def _execute(self, connection: Connection, name: str, parameters: Mapping[str, Any]) -> Any:
        return connection.execute(self._queries[name].encode(), parameters)
