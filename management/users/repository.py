"""Users in Postgres; every statement is for one tenant."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.errors import ForeignKeyViolation, UniqueViolation

from infra.postgres import Connection, Pool, Row, tenant_transaction
from infra.queries import load_queries
from management.access import Actor
from management.audit_entries.repository import write_audit_entry
from management.errors import ConflictError, NotFoundError, Problem, ValidationFailedError
from management.paging import page_parameters
from management.roles.repository import lock_rights
from management.users.schemas import UserFilter

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")
_COLUMNS = ("email", "username", "full_name", "time_zone", "is_active")
_TAKEN = {
    "users_email_key": Problem("email", "there is a user with this e-mail address already"),
    "users_username_key": Problem("username", "there is a user of this name already"),
}
Check = Callable[[Row], None]
#: Gets the user (None: a new one) and the roles it is to have.
CheckRoles = Callable[[Row | None, Sequence[Row]], None]


class Credentials(NamedTuple):
    """What a user signs in with. `password_hash` is None where there is no password."""

    email: str
    username: str
    password_hash: str | None


class UserRepository:
    """Raises PostgresUnavailableError while Postgres is away. A check raises to refuse the change it is asked about."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def page(self, tenant_id: UUID, wanted: UserFilter) -> tuple[list[Row], int]:
        """The rows of a page, newest first, and how many there are in all."""
        parameters = {
            "tenant_id": tenant_id,
            "search": wanted.search,
            "is_active": wanted.is_active,
            **page_parameters(wanted),
        }
        with tenant_transaction(self._pool, tenant_id) as connection:
            found = _execute(connection, "page_users", parameters).fetchone()
            return _load(connection, tenant_id, found["ids"]), found["total"]

    def get(self, tenant_id: UUID, user_id: UUID) -> Row:
        """One user with its roles. Raises NotFoundError."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            return _read(connection, tenant_id, user_id)

    def role_problems(self, tenant_id: UUID, role_ids: Sequence[UUID]) -> list[Problem]:
        """One for each of the ids that no role of the tenant has."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            return _unknown_roles(role_ids, _find_roles(connection, tenant_id, role_ids))

    def credentials(self, tenant_id: UUID, user_id: UUID) -> Credentials:
        """What a user signs in with. Raises NotFoundError."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            row = _execute(connection, "read_password_hash", {"tenant_id": tenant_id, "id": user_id}).fetchone()
            if row is None:
                raise NotFoundError(f"no user {user_id}")
            return Credentials(**row)

    def create(self, actor: Actor, user_id: UUID, values: Mapping[str, Any], check: CheckRoles) -> Row:
        """Insert a user with roles and audit entry. Raises ValidationFailedError, ConflictError."""
        parameters = {**values, "tenant_id": actor.tenant_id, "id": user_id}
        with self._changing(actor) as connection:
            check(None, _roles(connection, actor.tenant_id, values["role_ids"]))
            _execute(connection, "insert_user", parameters)
            _execute(connection, "give_roles", parameters)
            row = _read(connection, actor.tenant_id, user_id)
            write_audit_entry(connection, actor, "user.created", user_id, after=_audited(row))
            return row

    def update(self, actor: Actor, user_id: UUID, changes: Mapping[str, Any], check: CheckRoles) -> Row:
        """Change a user with its audit entry; nothing where nothing differs.

        Whoever is no longer active has no session and no key any more. Raises NotFoundError, ValidationFailedError,
        ConflictError.
        """
        with self._changing(actor) as connection:
            before = _read(connection, actor.tenant_id, user_id)
            role_ids = changes.get("role_ids", [UUID(role["id"]) for role in before["roles"]])
            check(before, _roles(connection, actor.tenant_id, role_ids))
            parameters = {**before, **changes, "tenant_id": actor.tenant_id, "role_ids": role_ids}
            if _audited(before) == {**_columns(parameters), "role_ids": sorted(map(str, role_ids))}:
                return before
            _execute(connection, "update_user", parameters)
            _execute(connection, "take_roles", parameters)
            _execute(connection, "give_roles", parameters)
            if before["is_active"] and not parameters["is_active"]:
                _execute(connection, "end_sessions", {**parameters, "kept_session_id": None})
                _execute(connection, "revoke_keys", parameters)
            _require_admin(connection, actor.tenant_id)
            row = _read(connection, actor.tenant_id, user_id)
            entry = {"before": _audited(before), "after": _audited(row)}
            write_audit_entry(connection, actor, "user.updated", user_id, **entry)
            return row

    def delete(self, actor: Actor, user_id: UUID, check: Check) -> None:
        """Delete a user that nothing refers to, with its audit entry. Raises NotFoundError, ConflictError."""
        with self._changing(actor) as connection:
            before = _read(connection, actor.tenant_id, user_id)
            check(before)
            _execute(connection, "delete_user", {"tenant_id": actor.tenant_id, "id": user_id})
            _require_admin(connection, actor.tenant_id)
            write_audit_entry(connection, actor, "user.deleted", user_id, before=_audited(before))

    def set_password(self, actor: Actor, user_id: UUID, password_hash: str, check: Check) -> None:
        """Set somebody's password and end their sessions, with its audit entry. Raises NotFoundError."""
        with self._changing(actor) as connection:
            check(_read(connection, actor.tenant_id, user_id))
            self._set_password(connection, actor, user_id, password_hash, old_hash=None)

    def change_own_password(self, actor: Actor, password_hash: str, old_hash: str) -> bool:
        """Set one's own password and end all sessions but the one that asks; False when it is another meanwhile."""
        with self._changing(actor) as connection:
            return self._set_password(connection, actor, actor.id, password_hash, old_hash=old_hash)

    def _set_password(
        self, connection: Connection, actor: Actor, user_id: UUID, password_hash: str, *, old_hash: str | None
    ) -> bool:
        parameters = {
            "tenant_id": actor.tenant_id,
            "id": user_id,
            "password_hash": password_hash,
            "old_hash": old_hash,
            "kept_session_id": None if old_hash is None else actor.session_id,
        }
        if _execute(connection, "set_password_hash", parameters).rowcount == 0:
            return False
        _execute(connection, "end_sessions", parameters)
        write_audit_entry(connection, actor, "user.password_changed", user_id)
        return True

    @contextmanager
    def _changing(self, actor: Actor) -> Iterator[Connection]:
        try:
            with tenant_transaction(self._pool, actor.tenant_id) as connection:
                lock_rights(connection, actor.tenant_id)
                yield connection
        except UniqueViolation as error:
            problem = _TAKEN[error.diag.constraint_name or ""]
            raise ConflictError(problem.message, details=[problem]) from error
        except ForeignKeyViolation as error:
            raise ConflictError("tickets refer to this user: deactivate it instead") from error


def _read(connection: Connection, tenant_id: UUID, user_id: UUID) -> Row:
    rows = _load(connection, tenant_id, [user_id])
    if not rows:
        raise NotFoundError(f"no user {user_id}")
    return rows[0]


def _load(connection: Connection, tenant_id: UUID, user_ids: Sequence[UUID]) -> list[Row]:
    """Those that are there, with their roles, in the order of the ids."""
    rows: list[Row] = _execute(connection, "load_users", {"tenant_id": tenant_id, "ids": list(user_ids)}).fetchall()
    return rows


def _roles(connection: Connection, tenant_id: UUID, role_ids: Sequence[UUID]) -> list[Row]:
    """The roles of these ids. Raises ValidationFailedError naming each that is not there."""
    rows = _find_roles(connection, tenant_id, role_ids)
    problems = _unknown_roles(role_ids, rows)
    if problems:
        raise ValidationFailedError(problems)
    return rows


def _find_roles(connection: Connection, tenant_id: UUID, role_ids: Sequence[UUID]) -> list[Row]:
    parameters = {"tenant_id": tenant_id, "role_ids": list(role_ids)}
    rows: list[Row] = _execute(connection, "find_roles", parameters).fetchall()
    return rows


def _unknown_roles(role_ids: Sequence[UUID], rows: Sequence[Row]) -> list[Problem]:
    found = {row["id"] for row in rows}
    return [
        Problem(f"role_ids.{number}", f"there is no role {role_id}")
        for number, role_id in enumerate(role_ids)
        if role_id not in found
    ]


def _require_admin(connection: Connection, tenant_id: UUID) -> None:
    row = _execute(connection, "count_active_admins", {"tenant_id": tenant_id}).fetchone()
    if row is None or row["admins"] == 0:
        raise ConflictError("this is the last active user with the admin role: give it to somebody else first")


def _columns(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _COLUMNS}


def _audited(row: Row) -> dict[str, Any]:
    return {**_columns(row), "role_ids": sorted(role["id"] for role in row["roles"])}


def _execute(connection: Connection, name: str, parameters: Mapping[str, Any]) -> Any:
    return connection.execute(_QUERIES[name].encode(), parameters)
