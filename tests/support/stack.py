"""The embedded Kafka and Postgres as fixtures: one of each per test session, started by the first test that asks.

Isolation is each test's own matter: topics with names of its own, databases through ``database_dsn``.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from hookline.embedded.kafka import KafkaBroker, start_kafka
from hookline.embedded.postgres import PostgresServer, start_postgres
from infra.migrations import migrate


@pytest.fixture(scope="session")
def stack_folder() -> Iterator[Path]:
    """Not below pytest's own temporary folder: each new pytest run of the same user closes that one to others (0700),
    and as root Postgres runs as another user, which could then no longer reach its files."""
    folder = Path(tempfile.mkdtemp(prefix="hookline-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka(stack_folder: Path) -> Iterator[KafkaBroker]:
    """One broker for the whole session. A test that stops, suspends or kills a broker starts its own."""
    with start_kafka(stack_folder / "kafka") as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres(stack_folder: Path) -> Iterator[PostgresServer]:
    """One server for the whole session. A test that stops a server starts its own."""
    with start_postgres(stack_folder / "postgres") as server:
        yield server


@contextmanager
def new_database(server_dsn: str, *, template: str = "template1") -> Iterator[str]:
    """The same login's DSN of a new database of the server, empty or as the template is, dropped at the end."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
    yield urlsplit(server_dsn)._replace(path=f"/{name}").geturl()
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def migrated_template(postgres: PostgresServer) -> Iterator[str]:
    """The name of a database with every migration, which others are copied from: that takes a quarter of the time."""
    with new_database(postgres.dsn) as dsn:
        migrate(dsn)
        yield urlsplit(dsn).path.removeprefix("/")


@pytest.fixture
def migrated_dsn(postgres: PostgresServer, migrated_template: str) -> Iterator[str]:
    """A superuser's DSN of a migrated database for one test."""
    with new_database(postgres.dsn, template=migrated_template) as dsn:
        yield dsn


@pytest.fixture
def database_dsn(postgres: PostgresServer) -> Iterator[str]:
    """A superuser's DSN of an empty database for one test."""
    with new_database(postgres.dsn) as dsn:
        yield dsn
