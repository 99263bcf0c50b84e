"""ClickHouse, in process (chdb) or a server over HTTP, behind one bounded pool of clickhouse-connect clients.

A chdb engine belongs to one process per folder; inside it any number of threads may share a `ClickHouse`.
Nothing connects before the first statement, so a role starts while the server is away.
"""

import hashlib
import queue
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, Error, OperationalError

from infra.errors import (
    ClickHouseOverTimeError,
    ClickHouseRefusedError,
    ClickHouseUnavailableError,
    SettingsError,
)
from infra.queries import load_queries
from infra.settings import ClickHouseSettings

MIGRATIONS_FOLDER = Path(__file__).parent.parent / "migrations" / "clickhouse"
_MIGRATION_NAME = re.compile(r"^(\d{4})_[a-z]+(?:_[a-z0-9]+)+\.sql$")

_OVER_TIME = 159
# Many queries, network, memory, read-only table, too many parts, out of disk, unknown insert, Keeper.
_PASSING_CODES = frozenset({164, 202, 209, 210, 241, 242, 243, 252, 319, 425, 999})
# `async_insert` would acknowledge before the write; one insert thread keeps the blocks of a batch reproducible;
# merging rows within an insert costs a third of it, and our batches hold one row per sort key. What a view makes of
# a repeated insert is told apart by its own token, also where the rows themselves were there already (before 26: off).
_INSERT_SETTINGS = {
    "async_insert": "0",
    "insert_deduplicate": "1",
    "deduplicate_blocks_in_dependent_materialized_views": "1",
    "max_insert_threads": "1",
    "optimize_on_insert": "0",
    "max_partitions_per_insert_block": "0",
}

# Rows leave in the order of the sort key, merged from the parts: nothing is sorted, so nothing is kept.
_STREAM_SETTINGS = {"optimize_read_in_order": "1", "read_in_order_use_buffering": "0", "max_threads": "1"}

Row = dict[str, Any]


class ClickHouse:
    """Runs statements on one of at most `settings.connections_max` clients. Safe to share between threads.

    Every method raises ClickHouseUnavailableError where waiting may help and ClickHouseRefusedError where the
    statement, the schema or the rows are at fault.
    """

    def __init__(self, settings: ClickHouseSettings) -> None:
        if (settings.dsn is None) == (settings.path is None):
            raise SettingsError("exactly one of clickhouse.dsn and clickhouse.path must be set")
        self._settings = settings
        self._slots: queue.LifoQueue[Client | None] = queue.LifoQueue()
        for _ in range(settings.connections_max):
            self._slots.put(None)

    def query(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, seconds_max: float | None = None
    ) -> list[Row]:
        """Rows by column name; `parameters` bind `{name:Type}` placeholders.

        Raises ClickHouseOverTimeError too, when it took longer than `seconds_max`.
        """
        settings = {} if seconds_max is None else {"max_execution_time": str(seconds_max)}
        with self._client() as client:
            result = client.query(sql, parameters=dict(parameters or {}), settings=settings)
            return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]

    @contextmanager
    def stream(
        self, sql: str, parameters: Mapping[str, Any], *, block_rows_max: int, seconds_max: float
    ) -> Iterator[Iterator[list[Row]]]:
        """Blocks of at most `block_rows_max` rows, of one state of the tables; one block is in memory at a time.

        A client is taken until the context ends. Raises as `query`, at its beginning or at any block.
        """
        settings = {"max_block_size": str(block_rows_max), "max_execution_time": str(seconds_max), **_STREAM_SETTINGS}
        with (
            self._client() as client,
            client.query_row_block_stream(sql, parameters=dict(parameters), settings=settings) as blocks,
        ):
            names = blocks.source.column_names
            yield ([dict(zip(names, row, strict=True)) for row in block] for block in blocks)

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement that answers no rows."""
        with self._client() as client:
            client.command(sql, parameters=dict(parameters or {}))

    def insert(self, table: str, rows: pa.Table, *, deduplication_token: str | None = None) -> None:
        """Insert columns by name; returns after the write. A token the table remembers makes it do nothing."""
        settings = dict(_INSERT_SETTINGS)
        if deduplication_token is not None:
            settings["insert_deduplication_token"] = deduplication_token
        with self._client() as client:
            client.insert_arrow(table, rows, settings=settings)

    def ping(self) -> None:
        """Raises when ClickHouse does not answer."""
        self.query("SELECT 1 AS one")

    def close(self) -> None:
        """Close every client that is not in use; the engine of a folder ends with its last client."""
        for _ in range(self._settings.connections_max):
            try:
                client = self._slots.get(timeout=self._settings.request_timeout_seconds)
            except queue.Empty:
                return
            if client is not None:
                client.close()
            self._slots.put(None)

    @contextmanager
    def _client(self) -> Iterator[Client]:
        try:
            client = self._slots.get(timeout=self._settings.request_timeout_seconds)
        except queue.Empty as error:
            raise ClickHouseUnavailableError("all ClickHouse connections of this process are busy") from error
        try:
            if client is None:
                client = _connect(self._settings)
            yield client
        except ClickHouseError as error:
            self._forget_output(client)
            raise _translate(error) from error
        finally:
            self._slots.put(client)

    def _forget_output(self, client: Client | None) -> None:
        """An embedded engine's connection keeps what a failed statement had put out, for the next answer's beginning.

        That answer is this one: the rows may be of another tenant, and are unreadable among others.
        """
        if client is not None and self._settings.path is not None:
            with suppress(ClickHouseError):
                client.raw_query("SELECT 1")


def _connect(settings: ClickHouseSettings) -> Client:
    if settings.path is not None:
        settings.path.mkdir(parents=True, exist_ok=True)
        return clickhouse_connect.get_client(interface="chdb", path=str(settings.path))
    assert settings.dsn is not None  # noqa: S101 - held by the constructor
    return clickhouse_connect.get_client(
        dsn=settings.dsn.get_secret_value(),
        connect_timeout=settings.connect_timeout_seconds,
        send_receive_timeout=settings.request_timeout_seconds,
        autogenerate_session_id=False,
        compress="lz4",
    )


def _translate(error: ClickHouseError) -> ClickHouseUnavailableError | ClickHouseRefusedError:
    code = error.code if isinstance(error, Error) else None
    message = str(error).splitlines()[0][:500]
    if code == _OVER_TIME:
        return ClickHouseOverTimeError(message)
    if code in _PASSING_CODES or (isinstance(error, OperationalError) and code is None):
        return ClickHouseUnavailableError(message)
    if "Unable to open the chdb engine" in message:
        return ClickHouseUnavailableError(message)
    return ClickHouseRefusedError(message)


@dataclass(frozen=True, slots=True)
class Migration:
    """One forward-only file with one statement: ClickHouse has no transaction to hold two together."""

    version: int
    name: str
    statement: str
    checksum: str


def load_migrations(folder: Path = MIGRATIONS_FOLDER) -> Sequence[Migration]:
    """Migrations in order. Raises SettingsError when a name is malformed or a number is missing or there twice."""
    migrations: list[Migration] = []
    for path in sorted(folder.glob("[0-9]*.sql")):
        match = _MIGRATION_NAME.match(path.name)
        if match is None or int(match.group(1)) != len(migrations) + 1:
            raise SettingsError(f"{path.name}: expected {len(migrations) + 1:04d}_verb_object.sql")
        statement = path.read_text()
        checksum = hashlib.sha256(statement.encode()).hexdigest()
        migrations.append(Migration(len(migrations) + 1, path.stem, statement, checksum))
    return migrations


def migrate(clickhouse: ClickHouse, folder: Path = MIGRATIONS_FOLDER) -> list[str]:
    """Apply what is missing, in order; returns the names applied. Idempotent, also after a crash in the middle.

    Raises ClickHouseRefusedError when a file that was applied has been edited since.
    """
    queries = load_queries(MIGRATIONS_FOLDER / "queries.sql")
    clickhouse.execute(queries["create_schema_migrations"])
    applied = {row["version"]: row["checksum"] for row in clickhouse.query(queries["list_schema_migrations"])}
    done: list[str] = []
    for migration in load_migrations(folder):
        known = applied.get(migration.version)
        if known is None:
            clickhouse.execute(migration.statement)
            members = {"version": migration.version, "name": migration.name, "checksum": migration.checksum}
            clickhouse.execute(queries["record_schema_migration"], members)
            done.append(migration.name)
        elif known != migration.checksum:
            raise ClickHouseRefusedError(f"migration {migration.name} was edited after it had been applied")
    return done
