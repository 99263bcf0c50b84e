"""Runs a person's statement: read-only, bounded, as Arrow batches, for one tenant where that is asked for.

The engine holds all of it: `readonly` lets nothing be written nor set, `additional_table_filters` adds a tenant's
condition to every table that is read, however the statement names it. Each statement has a connection of its own, since
what is set read-only stays so.
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import chdb
import clickhouse_connect
import pyarrow as pa
from chdb._exceptions import ChdbError
from clickhouse_connect.driver.exceptions import ClickHouseError
from pydantic import BaseModel, ConfigDict, Field

from infra.clickhouse import ClickHouse
from infra.errors import ClickHouseRefusedError, ClickHouseUnavailableError
from infra.queries import load_queries
from infra.settings import ClickHouseSettings
from infra.sql.statement import check_statement, is_streamed
from infra.sql.words import plain_words

STATEMENT_CHARACTERS_MAX = 262_144
SECONDS_MAX = 86_400
_BLOCK_ROWS = 32_768
#: Of the engine's own tables, what says nothing of anybody's rows.
_OPEN_SYSTEM_TABLES = frozenset(
    {"columns", "data_types", "databases", "functions", "numbers", "one", "tables", "zeros"}
)
_NO_ROWS = "0"


class SqlQuestion(BaseModel):
    """A statement and its bounds. `parameters` bind `{name:Type}` placeholders. `tenant_id` None: of all tenants."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sql: str = Field(min_length=1, max_length=STATEMENT_CHARACTERS_MAX)
    tenant_id: UUID | None = None
    parameters: dict[str, str] = Field(default_factory=dict)
    seconds: int = Field(default=300, ge=1, le=SECONDS_MAX)
    memory_mebibytes: int = Field(default=2_048, ge=64, le=1_048_576)


class SqlReader:
    """Reads through `clickhouse`'s engine. Safe to share between threads."""

    def __init__(self, clickhouse: ClickHouse, settings: ClickHouseSettings) -> None:
        self._clickhouse = clickhouse
        self._settings = settings
        self._queries = load_queries(Path(__file__).parent / "queries.sql")

    def read(self, question: SqlQuestion) -> Generator[pa.RecordBatch]:
        """At least one batch, which may be empty: it has the columns. Closing the iterator stops the statement.

        Raises ClickHouseRefusedError in plain words, with the place where it is known, and ClickHouseUnavailableError.
        """
        with _in_plain_words(question.sql):
            statement = self._write_out(question.sql)
            settings = self._engine_settings(question)
        if self._settings.path is not None:
            yield from _read_embedded(self._settings.path, statement, question, settings)
        else:
            yield from _read_server(self._settings, statement, question, settings)

    def _write_out(self, sql: str) -> str:
        """The statement as the engine understands it. It takes one, and its words name the place of an error."""
        [row] = self._clickhouse.query(self._queries["write_out"], {"sql": sql})
        functions = self._clickhouse.query(self._queries["list_table_functions"])
        statement = str(row["statement"])
        check_statement(statement, frozenset(function["name"] for function in functions))
        return statement

    def _engine_settings(self, question: SqlQuestion) -> dict[str, str]:
        """In the order in which they must be set. Empty for a user of a server who is read-only already."""
        [row] = self._clickhouse.query(self._queries["read_readonly"])
        if row["readonly"] != "0":
            if question.tenant_id is not None:
                raise ClickHouseRefusedError("this user of the server is read-only, and sees what its policies say")
            return {}
        settings = {
            "max_execution_time": str(question.seconds),
            "max_memory_usage": str(question.memory_mebibytes * 1_048_576),
            "max_block_size": str(_BLOCK_ROWS),
            "session_timezone": "UTC",
        }
        if question.tenant_id is not None:
            settings["additional_table_filters"] = self._filters(question.tenant_id)
        return {**settings, "readonly": "1"}

    def _filters(self, tenant_id: UUID) -> str:
        """A condition for every table there is: of a table that has no tenant nothing is shown."""
        conditions: dict[str, str] = {}
        for table in self._clickhouse.query(self._queries["list_tables"]):
            database, name = table["database"], table["table_name"]
            if table["of_tenant"]:
                conditions[f"{database}.{name}"] = f"tenant_id = toUUID('{tenant_id}')"
            elif database != "system" or name not in _OPEN_SYSTEM_TABLES:
                conditions[f"{database}.{name}"] = _NO_ROWS
        return "{" + ", ".join(f"{_quoted(table)}: {_quoted(held)}" for table, held in conditions.items()) + "}"


def _read_embedded(
    path: Path, statement: str, question: SqlQuestion, settings: Mapping[str, str]
) -> Iterator[pa.RecordBatch]:
    """Every block of the engine's answer is a stream of its own, so memory holds one at a time."""
    with _in_plain_words(question.sql):
        connection = chdb.connect(str(path.resolve()))
        try:
            for name, value in settings.items():
                connection.query(f"SET {name} = {_quoted(value)}")
            empty = True
            if is_streamed(statement):
                blocks = connection.send_query(statement, "ArrowStream", params=question.parameters)
                try:
                    for block in blocks:
                        for batch in _batches(block.bytes()):
                            empty = False
                            yield batch
                finally:
                    blocks.close()
            if empty:
                answer = connection.query(statement, "ArrowStream", params=question.parameters).bytes()
                yield from _batches(answer)
        finally:
            connection.close()


def _batches(stream: bytes) -> Iterator[pa.RecordBatch]:
    if not stream:
        return
    with pa.ipc.open_stream(stream) as reader:
        table = reader.read_all()
    if table.num_rows == 0:
        yield pa.RecordBatch.from_pylist([], schema=table.schema)
    yield from table.to_batches()


def _read_server(
    settings: ClickHouseSettings, statement: str, question: SqlQuestion, engine_settings: Mapping[str, str]
) -> Iterator[pa.RecordBatch]:
    assert settings.dsn is not None  # noqa: S101 - either this or a path, held by `ClickHouse`
    with _in_plain_words(question.sql):
        client = clickhouse_connect.get_client(
            dsn=settings.dsn.get_secret_value(),
            connect_timeout=settings.connect_timeout_seconds,
            send_receive_timeout=question.seconds + settings.request_timeout_seconds,
            autogenerate_session_id=False,
        )
        try:
            stream = client.raw_stream(
                statement, parameters=question.parameters, settings=dict(engine_settings), fmt="ArrowStream"
            )
            with pa.ipc.open_stream(stream) as reader:
                yield pa.RecordBatch.from_pylist([], schema=reader.schema)
                yield from reader
        finally:
            client.close()


@contextmanager
def _in_plain_words(sql: str) -> Iterator[None]:
    try:
        yield
    except ClickHouseRefusedError as error:
        # Whoever wrote the statement may see what the engine quotes of it, which ours leaves out.
        said = error.__context__ if isinstance(error.__context__, ClickHouseError) else error
        raise ClickHouseRefusedError(plain_words(str(said), sql)) from error
    except (ClickHouseError, ChdbError) as error:
        raise ClickHouseRefusedError(plain_words(str(error), sql)) from error
    except pa.ArrowInvalid as error:
        raise ClickHouseUnavailableError("the answer broke off: run the statement again") from error


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
