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
from infra.fatal_signals import fatal_signals_kept
from infra.queries import load_queries
from infra.settings import ClickHouseSettings

MIGRATIONS_FOLDER = Path(__file__).parent.parent / "migrations" / "clickhouse"
_MIGRATION_NAME = re.compile(r"^(\d{4})_[a-z]+(?:_[a-z0-9]+)+\.sql$")

_OVER_TIME = 159
# Many queries, network, memory, read-only table, too many parts, out of disk, unknown insert, Keeper.
_PASSING_CODES = frozenset({164, 202, 209, 210, 241, 242, 243, 252, 319, 425, 999})
_CODE_NAMES = {
    6: "CANNOT_PARSE_TEXT",
    16: "NO_SUCH_COLUMN_IN_TABLE",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    46: "UNKNOWN_FUNCTION",
    47: "UNKNOWN_IDENTIFIER",
    53: "TYPE_MISMATCH",
    57: "TABLE_ALREADY_EXISTS",
    60: "UNKNOWN_TABLE",
    62: "SYNTAX_ERROR",
    81: "UNKNOWN_DATABASE",
    159: "TIMEOUT_EXCEEDED",
    164: "READONLY",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    236: "ABORTED",
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    252: "TOO_MANY_PARTS",
    319: "UNKNOWN_STATUS_OF_INSERT",
    376: "CANNOT_PARSE_UUID",
    425: "SYSTEM_ERROR",
    457: "BAD_QUERY_PARAMETER",
    469: "VIOLATED_CONSTRAINT",
    497: "ACCESS_DENIED",
    516: "AUTHENTICATION_FAILED",
    999: "KEEPER_EXCEPTION",
}
#: Refusals of a statement for what it names; others begin with values.
_STATEMENT_CODES = frozenset({16, 46, 47, 57, 60, 62, 81, 497, 516})
#: As far as nothing is quoted.
_BEGINNING = re.compile(r"DB::Exception: (?P<words>[A-Za-z][A-Za-z ]{0,79})(?![A-Za-z ])")
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
            raise _translate(error) from None  # who shows a chain of errors would show rows
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
        with fatal_signals_kept():
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
    """The driver's own words stay behind: they quote rows, parameters and statements."""
    code = error.code if isinstance(error, Error) else None
    if code is not None:
        said = _words_of_engine(code, str(error))
        if code == _OVER_TIME:
            return ClickHouseOverTimeError(said)
        return ClickHouseUnavailableError(said) if code in _PASSING_CODES else ClickHouseRefusedError(said)
    if "Unable to open the chdb engine" in str(error):
        return ClickHouseUnavailableError("the engine of this folder cannot be opened: another process may have it")
    if isinstance(error, OperationalError):
        return ClickHouseUnavailableError(_words_of_connection(error))
    return ClickHouseRefusedError(f"the driver refused it: {type(error).__name__}")


def _words_of_engine(code: int, message: str) -> str:
    """The code, its name where it is one of ours, and of a refused statement how the refusal begins."""
    begins = _BEGINNING.search(message) if code in _STATEMENT_CODES else None
    named = f"code {code} ({_CODE_NAMES[code]})" if code in _CODE_NAMES else f"code {code}"
    return named if begins is None else f"{named}: {begins['words'].strip()}"


def _words_of_connection(error: BaseException) -> str:
    """What the system said of the connection; the driver's words hold the address with the parameters in it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return f"not reached: {seen.strerror}"
        if isinstance(seen, TimeoutError):
            return "not reached in time"
        seen = seen.__cause__ or seen.__context__
    return f"not reached: {type(error).__name__}"


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
