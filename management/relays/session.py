"""A relay's own session in Postgres: its lock is the lead, and everything the relay publishes is read through it.

The server ends the session when nothing is heard of it for a while, also when its process only stands still; then
another one leads. So what was read here was read by the leader of that moment.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from psycopg.rows import dict_row

from infra.errors import PostgresUnavailableError
from infra.postgres import CONNECT_TIMEOUT_SECONDS, Connection, Row, unavailability_translated
from infra.queries import load_queries
from infra.settings import PostgresSettings

IDLE_SECONDS_MAX = 15
QUERIES_FILE = Path(__file__).parent / "queries.sql"
_QUERIES = load_queries(QUERIES_FILE)
# A server that vanished without a word is noticed after 5 + 3 * 2 s.
_KEEPALIVE_IDLE_SECONDS, _KEEPALIVE_INTERVAL_SECONDS, _KEEPALIVES_MAX = 5, 2, 3
_UNACKNOWLEDGED_MS_MAX = 11_000


class SessionLock:
    """A lock in the database that names a lead; who has it has it until the session ends."""

    def __init__(self, key: int) -> None:
        self._key = key

    def try_lead(self, connection: Connection) -> bool:
        """Whether the session of `connection` has the lead. Raises PostgresUnavailableError."""
        with failures_translated():
            row = connection.execute(_QUERIES["try_lead"].encode(), {"lock_key": self._key}).fetchone()
        return row is not None and bool(row["leads"])


class LeadSession:
    """One connection, for one thread. Every method raises PostgresUnavailableError when it is of no more use."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _one(self, statement: str, parameters: Mapping[str, Any]) -> Row:
        [row] = self._rows(statement, parameters)
        return row

    def _rows(self, statement: str, parameters: Mapping[str, Any]) -> list[Row]:
        with failures_translated():
            return self._connection.execute(statement.encode(), parameters).fetchall()


class RelaySession(LeadSession, ABC):
    """Of a relay. `lock_key` names the lead: who holds this lock in the database has it."""

    lock_key: ClassVar[int]

    def try_lead(self) -> bool:
        """Whether this session has the lead, from now until it ends."""
        return SessionLock(self.lock_key).try_lead(self._connection)

    @abstractmethod
    def count_waiting(self) -> tuple[int, float]:
        """How many rows wait to be published, and for how many seconds the oldest of them."""


@contextmanager
def relay_connection(settings: PostgresSettings, *, idle_seconds_max: int = IDLE_SECONDS_MAX) -> Iterator[Connection]:
    """A new connection that works as hookline_relay. It is not a pool's: the lock lives and dies with it.

    The server ends it when it hears nothing for `idle_seconds_max`. Raises PostgresUnavailableError.
    """
    bounds = {
        "statement_timeout_ms": str(int(settings.statement_timeout_seconds * 1_000)),
        "idle_timeout_ms": str(idle_seconds_max * 1_000),
    }
    with failures_translated():
        connection: Connection = psycopg.connect(
            settings.dsn.get_secret_value(),
            autocommit=True,
            row_factory=dict_row,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            tcp_user_timeout=_UNACKNOWLEDGED_MS_MAX,
            keepalives_idle=_KEEPALIVE_IDLE_SECONDS,
            keepalives_interval=_KEEPALIVE_INTERVAL_SECONDS,
            keepalives_count=_KEEPALIVES_MAX,
        )
    try:
        with failures_translated():
            connection.execute(_QUERIES["become_relay"].encode())
            connection.execute(_QUERIES["bound_session"].encode(), bounds)
        yield connection
    finally:
        connection.close()


@contextmanager
def failures_translated() -> Iterator[None]:
    """Whatever the database says no to ends the session; a new one may find it mended."""
    try:
        with unavailability_translated():
            yield
    except psycopg.Error as error:
        cause = error.diag.message_primary or type(error).__name__
        raise PostgresUnavailableError(f"the relay's session failed: {cause}") from error
