"""What only the operator may do, as the database's owner: tenants, what they are entitled to, and lost passwords."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row

from hookline.errors import UsageError, WorkFailedError
from hookline.seed import SeededTenant
from hookline.stack_folder import read_if_there, write_atomically
from infra.clock import now_us
from infra.entities.patterns import EMAIL_PATTERN
from infra.ids import uuid7_text
from infra.postgres import Connection, Row, set_tenant, unavailability_translated
from infra.queries import load_queries
from infra.settings import ManagementSettings
from management.audit_entries.repository import write_system_audit_entry
from management.passwords import Passwords, generate_password
from management.sessions.failures import account_subject
from schemas.webhooks import SLUG_PATTERN

ENTITLEMENTS = ("webhooks", "public_api", "workflows")
_QUERIES = load_queries(Path(__file__).parent / "tenants.sql")
_EMAIL = re.compile(EMAIL_PATTERN)
_CHANGEABLE = ("slug", "entitlements", "inbound_webhooks_enabled", "api_requests_per_minute")


@dataclass(frozen=True, slots=True)
class TenantChange:
    """What to change of a tenant; None leaves it."""

    granted: Sequence[str] = ()
    withdrawn: Sequence[str] = ()
    inbound_webhooks_enabled: bool | None = None
    api_requests_per_minute: int | None = None
    slug: str | None = None


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A tenant that was just made, and how its first person signs in."""

    tenant_id: UUID
    slug: str
    admin_email: str
    password: str


def list_tenants(dsn: str) -> list[Row]:
    """Every tenant. Raises PostgresUnavailableError, as everything here does."""
    with _owner(dsn) as connection:
        _execute(connection, "become_relay")
        rows: list[Row] = _execute(connection, "list_tenants").fetchall()
        return rows


def create_tenant(dsn: str, settings: ManagementSettings, *, slug: str, name: str, admin_email: str) -> NewTenant:
    """A tenant with the admin role and one person who has it. Raises UsageError, WorkFailedError."""
    _require_slug(slug)
    if not 1 <= len(name.strip()) <= 255 or len(name) > 255:
        raise UsageError("--name: 1 to 255 characters")
    if not _EMAIL.fullmatch(admin_email) or len(admin_email) > 255:
        raise UsageError(f"--admin-email: {admin_email!r} is not an e-mail address")
    password = generate_password()
    tenant_id, role_id, user_id = (UUID(uuid7_text(now_us())) for _ in range(3))
    parameters = {
        "tenant_id": tenant_id,
        "role_id": role_id,
        "user_id": user_id,
        "slug": slug,
        "name": name,
        "email": admin_email,
        "password_hash": Passwords(settings).hash(password),
    }
    try:
        with _owner(dsn) as connection:
            set_tenant(connection, tenant_id)
            for statement in ("insert_tenant", "insert_admin_role", "insert_admin", "give_admin_role"):
                _execute(connection, statement, parameters)
            after = {"slug": slug, "name": name, "admin_email": admin_email}
            write_system_audit_entry(connection, tenant_id, "tenant.created", tenant_id, after=after)
    except UniqueViolation as error:
        raise WorkFailedError(f"there is a tenant {slug} already") from error
    return NewTenant(tenant_id, slug, admin_email, password)


def change_tenant(dsn: str, slug: str, change: TenantChange) -> Row:
    """The tenant as it is then; its webhooks follow by themselves. Raises UsageError, WorkFailedError."""
    for name in (*change.granted, *change.withdrawn):
        if name not in ENTITLEMENTS:
            raise UsageError(f"there is no entitlement {name}: they are {', '.join(ENTITLEMENTS)}")
    if change.slug is not None:
        _require_slug(change.slug)
    try:
        with _owner(dsn) as connection:
            before = _lock_tenant(connection, slug)
            after = _changed(before, change)
            if after == before:
                return before
            _execute(connection, "update_tenant", after)
            entry = {"before": _changeable(before), "after": _changeable(after)}
            write_system_audit_entry(connection, before["id"], "tenant.updated", before["id"], **entry)
            return after
    except UniqueViolation as error:
        raise WorkFailedError(f"there is a tenant {change.slug} already") from error


def reset_password(dsn: str, settings: ManagementSettings, *, tenant_slug: str, email: str) -> str:
    """A new password for a user, who may sign in again even where strangers' failures had blocked that.

    All sessions of the user end. Raises WorkFailedError when there is no such tenant or user.
    """
    password = generate_password()
    password_hash = Passwords(settings).hash(password)
    with _owner(dsn) as connection:
        tenant_id = _lock_tenant(connection, tenant_slug)["id"]
        parameters = {"tenant_id": tenant_id, "email": email, "password_hash": password_hash}
        user = _execute(connection, "set_password", parameters).fetchone()
        if user is None:
            raise WorkFailedError(f"tenant {tenant_slug} has no user {email}")
        subject = account_subject(user["id"])
        parameters |= {"user_id": user["id"], "subject": subject}
        _execute(connection, "end_sessions", parameters)
        _execute(connection, "lift_block", parameters)
        write_system_audit_entry(connection, tenant_id, "user.password_changed", user["id"])
    return password


def ensure_admin_password(
    dsn: str, settings: ManagementSettings, tenant: SeededTenant, password_file: Path
) -> str | None:
    """The first password of the seeded tenant's admin, which was just made, and is kept in `password_file` (mode 0600).

    None where the admin has a password already: then the file, if there is one, is left as it is.
    """
    parameters = {"tenant_id": tenant.tenant_id, "user_id": tenant.ids["admin"]}
    with _owner(dsn) as connection:
        set_tenant(connection, tenant.tenant_id)
        user = _execute(connection, "has_password", parameters).fetchone()
        if user is None or user["has_password"]:
            return None
        # Written first: a start that is broken off in between finds it here and goes on with it.
        password = read_if_there(password_file) or generate_password()
        write_atomically(password_file, password + "\n")
        _execute(connection, "set_first_password", {**parameters, "password_hash": Passwords(settings).hash(password)})
        return password


def _require_slug(slug: str) -> None:
    if not re.fullmatch(SLUG_PATTERN, slug):
        raise UsageError(f"{slug!r} is not a slug: 1 to 64 of a-z, 0-9 and inner hyphens")


def _lock_tenant(connection: Connection, slug: str) -> Row:
    _execute(connection, "become_relay")
    found = _execute(connection, "find_tenant", {"slug": slug}).fetchone()
    _execute(connection, "become_owner")
    if found is None:
        raise WorkFailedError(f"there is no tenant {slug}")
    set_tenant(connection, found["id"])
    row: Row = _execute(connection, "lock_tenant", found).fetchone()
    return row


def _changed(before: Row, change: TenantChange) -> Row:
    entitled = (set(before["entitlements"]) | set(change.granted)) - set(change.withdrawn)
    wanted = {
        "entitlements": [name for name in ENTITLEMENTS if name in entitled],
        "inbound_webhooks_enabled": change.inbound_webhooks_enabled,
        "api_requests_per_minute": change.api_requests_per_minute,
        "slug": change.slug,
    }
    return {**before, **{name: value for name, value in wanted.items() if value is not None}}


def _changeable(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in _CHANGEABLE}


@contextmanager
def _owner(dsn: str) -> Iterator[Connection]:
    """One transaction as the database's owner, who may be subject to row-level security as well."""
    with unavailability_translated(), psycopg.connect(dsn, row_factory=dict_row) as connection:
        yield connection


def _execute(connection: Connection, name: str, parameters: Mapping[str, Any] | None = None) -> Any:
    return connection.execute(_QUERIES[name].encode(), parameters)
