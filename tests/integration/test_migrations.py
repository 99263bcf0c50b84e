"""Migrations on a real Postgres: from empty, again, two at once, and refusals that name the file."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from infra.errors import MigrationError, PostgresUnavailableError
from infra.migrations import MIGRATIONS_FOLDER, migrate, pending_migrations


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copied = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS_FOLDER, copied)
    return copied


def all_names() -> list[str]:
    return sorted(file.name for file in MIGRATIONS_FOLDER.glob("*.sql"))


def test_an_empty_database_gets_every_file_once(database_dsn: str) -> None:
    with psycopg.connect(database_dsn, row_factory=dict_row, autocommit=True) as connection:
        assert pending_migrations(connection) == all_names()
        assert migrate(database_dsn) == all_names()
        assert pending_migrations(connection) == []
    assert migrate(database_dsn) == []


def test_two_processes_at_once_apply_each_file_once(database_dsn: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        applied = [name for names in threads.map(migrate, [database_dsn] * 4) for name in names]
    assert sorted(applied) == all_names()


def test_a_changed_file_is_refused_by_name(database_dsn: str, folder: Path) -> None:
    migrate(database_dsn, folder)
    changed = folder / all_names()[1]
    changed.write_text(changed.read_text() + "\n-- changed")
    (folder / "0099_add_nothing.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match=changed.name):
        migrate(database_dsn, folder)
    with psycopg.connect(database_dsn) as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM hookline_migrations").fetchall()}
    assert names == set(all_names())


def test_a_file_of_a_newer_release_is_refused_by_name(database_dsn: str, folder: Path) -> None:
    (folder / "0099_add_nothing.sql").write_text("SELECT 1")
    assert migrate(database_dsn, folder)[-1] == "0099_add_nothing.sql"
    with pytest.raises(MigrationError, match=r"0099_add_nothing\.sql"):
        migrate(database_dsn)


def test_a_failing_file_leaves_nothing_and_those_before_it_stay(database_dsn: str, folder: Path) -> None:
    (folder / "0099_break_things.sql").write_text("CREATE TABLE half_made (id int); SELECT 1 / 0")
    with pytest.raises(MigrationError, match=r"0099_break_things\.sql: division by zero"):
        migrate(database_dsn, folder)
    with psycopg.connect(database_dsn) as connection:
        assert connection.execute("SELECT to_regclass('half_made')").fetchone() == (None,)
    assert migrate(database_dsn) == []


@pytest.mark.parametrize("name", ["99_too_short.sql", "0001_same_number.sql", "0099_Upper.sql"])
def test_a_misnamed_file_is_refused_by_name(database_dsn: str, folder: Path, name: str) -> None:
    (folder / name).write_text("SELECT 1")
    with pytest.raises(MigrationError):
        migrate(database_dsn, folder)


def test_a_server_that_is_away_is_said_to_be_away() -> None:
    with pytest.raises(PostgresUnavailableError):
        migrate("postgresql://nobody:hidden@127.0.0.1:1/none?connect_timeout=2")
