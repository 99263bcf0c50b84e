"""Users of a tenant. Nobody makes or changes a user who can do more than they can."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from infra.clock import now_us, rfc3339_of
from infra.ids import uuid7_text
from infra.postgres import Row
from management.access import Actor
from management.errors import ForbiddenError, Problem, UnauthorizedError, ValidationFailedError
from management.paging import Page, PageMeta
from management.passwords import Passwords, password_problem
from management.rights import permissions_of, require_rights
from management.sessions.failures import Failures
from management.sessions.service import own_session
from management.users.repository import UserRepository
from management.users.schemas import (
    OwnPasswordInput,
    PasswordInput,
    User,
    UserCreateInput,
    UserFilter,
    UserRole,
    UserUpdateInput,
)


class UserService:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, repository: UserRepository, passwords: Passwords, failures: Failures) -> None:
        self._repository = repository
        self._passwords = passwords
        self._failures = failures

    def page(self, tenant_id: UUID, wanted: UserFilter) -> Page[User]:
        """A page, newest first."""
        rows, total = self._repository.page(tenant_id, wanted)
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=total)
        return Page(data=[_shown(row) for row in rows], meta=meta)

    def get(self, tenant_id: UUID, user_id: UUID) -> User:
        """One user. Raises NotFoundError, also for another tenant's."""
        return _shown(self._repository.get(tenant_id, user_id))

    def create(self, actor: Actor, wanted: UserCreateInput) -> User:
        """A new user. Raises ValidationFailedError, ForbiddenError, ConflictError, UnavailableError."""
        password = None if wanted.password is None else wanted.password.get_secret_value()
        problems = self._repository.role_problems(actor.tenant_id, wanted.role_ids)
        if password is not None:
            problems += _password_problems("password", password, wanted.email, wanted.username)
        if problems:
            raise ValidationFailedError(problems)
        values = {
            **wanted.model_dump(exclude={"password", "role_ids"}),
            "password_hash": None if password is None else self._passwords.hash(password),
            "role_ids": list(dict.fromkeys(wanted.role_ids)),
        }
        row = self._repository.create(
            actor, UUID(uuid7_text(now_us())), values, lambda _, roles: _require_may_give(actor, roles)
        )
        return _shown(row)

    def update(self, actor: Actor, user_id: UUID, wanted: UserUpdateInput) -> User:
        """Change what `wanted` names. Raises NotFoundError and as `create` does."""
        changes = wanted.changes()
        if "role_ids" in changes:
            changes["role_ids"] = list(dict.fromkeys(changes["role_ids"]))

        def check(user: Row | None, roles: Sequence[Row]) -> None:
            assert user is not None  # noqa: S101 - the user is there
            _require_not_above(actor, user)
            _require_may_give(actor, roles)

        return _shown(self._repository.update(actor, user_id, changes, check))

    def delete(self, actor: Actor, user_id: UUID) -> None:
        """Delete a user that nothing refers to. Raises NotFoundError, ForbiddenError, ConflictError."""
        self._repository.delete(actor, user_id, lambda user: _require_not_above(actor, user))

    def set_password(self, actor: Actor, user_id: UUID, wanted: PasswordInput) -> None:
        """Set somebody else's password. Raises NotFoundError and as `create` does."""
        if user_id == actor.user_id:
            raise ForbiddenError(
                "for your own password use PUT /api/v1/users/me/password, which asks for the current one"
            )
        user = self._repository.get(actor.tenant_id, user_id)
        _require_not_above(actor, user)
        password = wanted.password.get_secret_value()
        _require_good("password", password, user["email"], user["username"])
        password_hash = self._passwords.hash(password)
        self._repository.set_password(actor, user_id, password_hash, lambda row: _require_not_above(actor, row))

    def change_own_password(self, actor: Actor, wanted: OwnPasswordInput) -> None:
        """Set one's own password. Tries of the current one are counted like those of a sign-in.

        Raises ForbiddenError for an API key, ValidationFailedError, TooManyRequestsError, UnavailableError.
        """
        own_session(actor)
        credentials = self._repository.credentials(actor.tenant_id, actor.id)
        new = wanted.new_password.get_secret_value()
        _require_good("new_password", new, credentials.email, credentials.username)
        subjects = self._failures.of_password_change(actor.tenant_id, actor.id)
        self._failures.count(subjects)
        if not self._passwords.verify(credentials.password_hash, wanted.current_password.get_secret_value()):
            raise ValidationFailedError([Problem("current_password", "this is not your password")])
        self._failures.take_back(subjects, proven=True)
        old_hash = credentials.password_hash or ""
        if not self._repository.change_own_password(actor, self._passwords.hash(new), old_hash):
            raise UnauthorizedError


def _password_problems(path: str, password: str, *names: str) -> list[Problem]:
    problem = password_problem(password, *names)
    return [] if problem is None else [Problem(path, problem)]


def _require_good(path: str, password: str, *names: str) -> None:
    problems = _password_problems(path, password, *names)
    if problems:
        raise ValidationFailedError(problems)


def _require_not_above(actor: Actor, user: Row) -> None:
    require_rights(actor, permissions_of(user["roles"]), "this user has permissions that you do not have")


def _require_may_give(actor: Actor, roles: Sequence[Row]) -> None:
    require_rights(actor, permissions_of(roles), "you cannot give permissions that you do not have")


def _shown(row: Row) -> User:
    return User(
        id=row["id"],
        email=row["email"],
        username=row["username"],
        full_name=row["full_name"],
        time_zone=row["time_zone"],
        is_active=row["is_active"],
        has_password=row["has_password"],
        roles=[UserRole(id=role["id"], name=role["name"], is_admin=role["is_admin"]) for role in row["roles"]],
        last_login_at=_text(row["last_login_at"]),
        password_changed_at=_text(row["password_changed_at"]),
        created_at=rfc3339_of(row["created_at"]),
        updated_at=rfc3339_of(row["updated_at"]),
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339_of(moment)
