"""`hookline analytics`: users of a ClickHouse server who read one tenant's rows and nothing else.

A row policy per table says which rows; a second, restrictive one holds whatever other policies allow. Policies come
before the grant of a table, so no moment shows more. The password never leaves this process: the server gets its hash.
"""

import hashlib
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from hookline.configuration import load_settings
from hookline.errors import UsageError, WorkFailedError
from infra.clickhouse import ClickHouse
from infra.queries import load_queries

_QUERIES = load_queries(Path(__file__).parent / "users.sql")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_TENANT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PASSWORD_BYTES = 24
_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Granted:
    """`password` is None where the user was there and keeps the one it has."""

    user: str
    statements: list[str] = field(repr=False)
    password: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reader:
    """A user made by `grant`. `tables` of `tables_max` are shown; fewer where one is newer than the grant."""

    user: str
    tenant_id: str | None
    tables: int
    tables_max: int


@contextmanager
def open_server() -> Iterator[ClickHouse]:
    """The server that HOOKLINE_CLICKHOUSE__DSN names. Raises UsageError where there is none."""
    settings = load_settings().clickhouse
    if settings.dsn is None:
        raise UsageError(
            "users need a ClickHouse server, named by HOOKLINE_CLICKHOUSE__DSN: the embedded engine has none. "
            "There, `hookline sql --tenant` shows one tenant's rows"
        )
    server = ClickHouse(settings)
    try:
        yield server
    finally:
        server.close()


def tenant_tables(server: ClickHouse) -> list[str]:
    """Every table with a tenant's rows, rollups among them, as `database`.`table`."""
    [row] = server.query(_QUERIES["read_database"])
    tables = server.query(_QUERIES["list_tenant_tables"])
    return [f"`{row['database']}`.`{table['table_name']}`" for table in tables]


def grant(server: ClickHouse, tenant_id: UUID, user: str, *, new_password: bool, dry_run: bool) -> Granted:
    """Let the user read the tenant's rows; again does no harm, with another tenant it is that one's from then on.

    Raises UsageError for a name that is none, WorkFailedError for a user that was not made here.
    """
    _require_name(user)
    [database] = server.query(_QUERIES["read_database"])
    known = server.query(_QUERIES["find_user"], {"user": user})
    if known and not known[0]["is_ours"]:
        raise WorkFailedError(
            f"{user} is a user of the server already and was not made by this command: choose another"
        )
    password = secrets.token_urlsafe(_PASSWORD_BYTES) if new_password or not known else None
    statements = grant_statements(
        tenant_tables(server), tenant_id, user, database=database["database"], password=password, is_known=bool(known)
    )
    _run(server, [] if dry_run else statements)
    return Granted(user, statements, password)


def revoke(server: ClickHouse, user: str) -> list[str]:
    """Take the user away, with its policies; the statements. Raises WorkFailedError for one not made here."""
    _require_name(user)
    known = server.query(_QUERIES["find_user"], {"user": user})
    if known and not known[0]["is_ours"]:
        raise WorkFailedError(f"{user} was not made by this command: it stays")
    [database] = server.query(_QUERIES["read_database"])
    statements = [_QUERIES["drop_user"] % {"user": f"`{user}`"}]
    for row in server.query(_QUERIES["list_policies"], {"user": user}):
        table = f"`{database['database']}`.`{row['table_name']}`"
        statements.append(_QUERIES["drop_policy"] % {"policy": f"`{row['policy']}`", "table": table})
    _run(server, statements)
    return statements


def readers(server: ClickHouse) -> list[Reader]:
    """The users made by `grant`."""
    tables_max = len(tenant_tables(server))
    found = []
    for row in server.query(_QUERIES["list_users"]):
        tenant_id = _TENANT_ID.search(row["condition"] or "")
        found.append(Reader(row["user"], tenant_id.group() if tenant_id else None, int(row["tables"]), tables_max))
    return found


def grant_statements(
    tables: Sequence[str], tenant_id: UUID, user: str, *, database: str, password: str | None, is_known: bool
) -> list[str]:
    """In the order in which they are safe: nothing is granted before its policies are there."""
    salt = secrets.token_hex(_SALT_BYTES)
    members = {
        "user": f"`{user}`",
        "database": f"`{database}`",
        "salt": salt,
        "hash": hashlib.sha256(f"{password}{salt}".encode()).hexdigest(),
        "policy": f"`hookline_{user}`",
        "only_policy": f"`hookline_{user}_only`",
        "tenant_id": str(tenant_id),
    }
    names = ["make_profile"]
    if password is not None:
        names.append("change_password" if is_known else "make_user")
    statements = [_QUERIES[name] % members if "%" in _QUERIES[name] else _QUERIES[name] for name in names]
    names = ["keep_service_reading", "show_tenant", "show_nothing_else", "let_read"]
    statements += [_QUERIES[name] % {**members, "table": table} for table in tables for name in names]
    return statements


def _run(server: ClickHouse, statements: Sequence[str]) -> None:
    for statement in statements:
        server.execute(statement)


def _require_name(user: str) -> None:
    if not _NAME.fullmatch(user):
        raise UsageError(f"{user!r} is no name for a user: a letter, then up to 47 of a-z, 0-9 and _")
