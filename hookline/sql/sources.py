"""Where a statement is answered: by a server, by the process that has the embedded engine open, or in this one."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from uuid import UUID

import httpx
import psycopg
import pyarrow as pa

from hookline.configuration import load_settings, settings_near
from hookline.embedded.lock import lock_folder
from hookline.errors import NotReadyError, NotRunningError, UsageError
from hookline.ready_file import ReadyFile, read_ready_file
from hookline.stack_folder import StackFolder, read_if_there
from infra.clickhouse import ClickHouse, migrate
from infra.postgres import unavailability_translated
from infra.queries import load_queries
from infra.settings import ClickHouseSettings
from infra.sql.frames import batches_of
from infra.sql.reader import SqlQuestion, SqlReader

_OPERATOR_PATH = "/operator/sql"
_CONNECT_SECONDS_MAX = 5.0
#: The engine stops the statement by itself; this is for a process that stands still.
_SILENCE_SECONDS_SPARE = 30.0


class SqlSource(Protocol):
    """Answers statements, as `infra.sql.reader.SqlReader` does."""

    def read(self, question: SqlQuestion) -> Generator[pa.RecordBatch]: ...


class RunningStack:
    """Asks over loopback: the folder of the embedded engine is open in one process, and no other may open it."""

    def __init__(self, ready: ReadyFile, token: str) -> None:
        self._url = ready.management_url + _OPERATOR_PATH
        self._token = token

    def read(self, question: SqlQuestion) -> Generator[pa.RecordBatch]:
        timeout = httpx.Timeout(question.seconds + _SILENCE_SECONDS_SPARE, connect=_CONNECT_SECONDS_MAX)
        headers = {"Authorization": f"Bearer {self._token}"}
        content = question.model_dump_json()
        try:
            with (
                httpx.Client(timeout=timeout, trust_env=False) as client,
                client.stream("POST", self._url, headers=headers, content=content) as answer,
            ):
                if answer.status_code != httpx.codes.OK:
                    raise NotReadyError(f"the running stack answered {answer.status_code}: is it of this release?")
                yield from batches_of(answer.iter_bytes())
        except httpx.TransportError as error:
            raise NotReadyError(f"the running stack does not answer at {self._url}: {error}") from error


@contextmanager
def open_source(data_dir: Path) -> Iterator[SqlSource]:
    """The server that HOOKLINE_CLICKHOUSE__DSN names, else the stack on `data_dir`, else the folder itself.

    Raises NotRunningError where there is nothing to read, DataFolderInUse while a stack starts or stops.
    """
    settings = load_settings().clickhouse
    if settings.dsn is not None:
        with _engine(settings) as engine:
            yield SqlReader(engine, settings)
        return
    folder = StackFolder(data_dir.absolute())
    path = settings.path or folder.clickhouse
    if folder.ready_file.exists() or not path.is_dir():
        yield _of_running(read_ready_file(data_dir))
        return
    with lock_folder(folder.root):
        embedded = ClickHouseSettings(path=path)
        with _engine(embedded) as engine:
            migrate(engine)
            yield SqlReader(engine, embedded)


def _of_running(ready: ReadyFile) -> SqlSource:
    token = read_if_there(StackFolder(ready.data_dir).operator_token_file)
    if token is None:
        raise UsageError(
            f"the stack uses the server {ready.clickhouse.rpartition('@')[2]}: set HOOKLINE_CLICKHOUSE__DSN"
        )
    return RunningStack(ready, token)


@contextmanager
def _engine(settings: ClickHouseSettings) -> Iterator[ClickHouse]:
    engine = ClickHouse(settings)
    try:
        yield engine
    finally:
        engine.close()


def find_tenant(data_dir: Path, given: str) -> UUID:
    """A tenant by its id, or by its slug, which Postgres knows. Raises UsageError where there is no such slug."""
    try:
        return UUID(given)
    except ValueError:
        pass
    try:
        dsn = settings_near(data_dir).postgres.dsn.get_secret_value()
    except NotRunningError as error:
        raise NotRunningError(f"only a running stack knows which tenant {given} is: give the tenant's id") from error
    query = load_queries(Path(__file__).parent / "queries.sql")["find_tenant"]
    with unavailability_translated(), psycopg.connect(dsn) as connection:
        row = connection.execute(query.encode(), {"slug": given}).fetchone()
    if row is None:
        raise UsageError(f"no tenant {given}: see `hookline tenants list`")
    return UUID(str(row[0]))
