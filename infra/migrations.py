"""Migrations of Postgres: forward-only files `migrations/postgres/NNNN_verb_object.sql`, each applied once."""

import re
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import psycopg

from infra.errors import MigrationError
from infra.postgres import unavailability_translated

MIGRATIONS_FOLDER = Path(__file__).parent.parent / "migrations" / "postgres"
_FILE_NAME = re.compile(r"[0-9]{4}_[a-z]+(?:_[a-z0-9]+)+\.sql")
_ADVISORY_LOCK_KEY = 0x686F6F6B6C696E65  # "hookline"

_LOCK = "SELECT pg_advisory_lock(%s)"
_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS hookline_migrations (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
_TABLE_EXISTS = "SELECT to_regclass('hookline_migrations') IS NOT NULL"
_GRANT = "GRANT SELECT ON hookline_migrations TO hookline_service"
_READ = "SELECT name, checksum FROM hookline_migrations"
_RECORD = "INSERT INTO hookline_migrations (name, checksum) VALUES (%s, %s)"


class _Migration(NamedTuple):
    name: str
    sql: bytes
    checksum: str


def migrate(dsn: str, folder: Path = MIGRATIONS_FOLDER) -> list[str]:
    """Apply what is missing, each file in its own transaction; returns the names of the files applied.

    Processes that run it at once wait for each other. Raises MigrationError, before anything is applied, naming a file
    that was changed after it was applied or that this release does not have; PostgresUnavailableError.
    """
    migrations = _read_folder(folder)
    with unavailability_translated(), psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_LOCK, (_ADVISORY_LOCK_KEY,))
        connection.execute(_CREATE_TABLE)
        pending = _pending(migrations, dict(connection.execute(_READ).fetchall()))
        for migration in pending:
            try:
                with connection.transaction():
                    connection.execute(migration.sql)
                    connection.execute(_RECORD, (migration.name, migration.checksum))
            except psycopg.DatabaseError as error:
                if connection.broken:
                    raise
                raise MigrationError(f"{migration.name}: {error.diag.message_primary}") from error
        if pending:
            connection.execute(_GRANT)
        return [migration.name for migration in pending]


def pending_migrations(
    connection: psycopg.Connection[dict[str, object]], folder: Path = MIGRATIONS_FOLDER
) -> list[str]:
    """Names of the files this release needs and the database has not; works as the service role."""
    migrations = _read_folder(folder)
    exists = connection.execute(_TABLE_EXISTS).fetchone()
    if exists is None or not all(exists.values()):
        return [migration.name for migration in migrations]
    applied = {row["name"] for row in connection.execute(_READ).fetchall()}
    return [migration.name for migration in migrations if migration.name not in applied]


def _read_folder(folder: Path) -> list[_Migration]:
    migrations = []
    for file in sorted(folder.glob("*.sql")):
        if not _FILE_NAME.fullmatch(file.name):
            raise MigrationError(f"{file.name}: not named NNNN_verb_object.sql")
        sql = file.read_bytes()
        migrations.append(_Migration(file.name, sql, sha256(sql).hexdigest()))
    numbers = [migration.name[:4] for migration in migrations]
    for migration in migrations:
        if numbers.count(migration.name[:4]) > 1:
            raise MigrationError(f"{migration.name}: its number is given twice")
    return migrations


def _pending(migrations: list[_Migration], applied: dict[str, str]) -> list[_Migration]:
    known = {migration.name for migration in migrations}
    for name in sorted(applied.keys() - known):
        raise MigrationError(f"{name}: applied to this database, but not part of this release")
    for migration in migrations:
        if applied.get(migration.name, migration.checksum) != migration.checksum:
            raise MigrationError(f"{migration.name}: changed after it was applied; write a new migration instead")
    return [migration for migration in migrations if migration.name not in applied]
