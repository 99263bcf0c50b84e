"""The relay's own session in Postgres: its lock is the lead, and everything it publishes is read through it.

The server ends the session when nothing is heard of it for a while, also when its process only stands still; then
another one leads. So what was read here was read by the leader of that moment.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import IsolationLevel
from psycopg.rows import dict_row

from infra.errors import PostgresUnavailableError
from infra.postgres import CONNECT_TIMEOUT_SECONDS, Connection, Row, unavailability_translated
from infra.queries import load_queries
from infra.settings import PostgresSettings
from management.configuration.records import WebhookKey, read_records
from schemas.webhooks import WebhookConfig

IDLE_SECONDS_MAX = 15
_QUERIES = load_queries(Path(__file__).parent / "queries.sql")
_LOCK_KEY = 0x686C2072656C6179  # "hl relay"
_FIRST = UUID(int=0)
# A server that vanished without a word is noticed after 5 + 3 * 2 s.
_KEEPALIVE_IDLE_SECONDS, _KEEPALIVE_INTERVAL_SECONDS, _KEEPALIVES_MAX = 5, 2, 3
_UNACKNOWLEDGED_MS_MAX = 11_000


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """Rows of the outbox, and what the webhooks they name are in the same snapshot.

    `changes` are (tenant, change) ids; `oldest_at` is the time of the first, in seconds since the epoch.
    """

    changes: Sequence[tuple[UUID, UUID]]
    keys: Sequence[WebhookKey]
    records: Mapping[WebhookKey, WebhookConfig]
    oldest_at: float


class RelaySession:
    """One connection, for one thread. Every method raises PostgresUnavailableError when it is of no more use."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def try_lead(self) -> bool:
        """Whether this session has the lead, from now until it ends."""
        return bool(self._one("try_lead", {"lock_key": _LOCK_KEY})["leads"])

    def read_changes(self, limit: int) -> ChangeBatch | None:
        """The oldest rows of the outbox; None when there are none. Both parts are of one snapshot: where a row is
        seen, so is the change it stands for."""
        with _failures_translated(), self._connection.transaction():
            rows = self._rows("read_changes", {"limit": limit})
            if not rows:
                return None
            keys = sorted({(row["tenant_id"], row["webhook_id"]) for row in rows})
            return ChangeBatch(
                changes=[(row["tenant_id"], row["change_id"]) for row in rows],
                keys=keys,
                records=read_records(self._connection, keys),
                oldest_at=min(row["created_at"] for row in rows).timestamp(),
            )

    def delete_changes(self, changes: Sequence[tuple[UUID, UUID]]) -> None:
        """Forget rows that were published."""
        parameters = {"tenant_ids": [change[0] for change in changes], "change_ids": [change[1] for change in changes]}
        with _failures_translated():
            self._connection.execute(_QUERIES["delete_changes"].encode(), parameters)

    def read_webhooks(self, keys: Sequence[WebhookKey]) -> dict[WebhookKey, WebhookConfig]:
        """The records of these webhooks as they are now; those that are not in force are left out."""
        with _failures_translated(), self._connection.transaction():
            return read_records(self._connection, keys)

    def page_webhooks(self, limit: int) -> Iterator[list[WebhookKey]]:
        """The keys of all webhooks, in their order, some at a time."""
        after = (_FIRST, _FIRST)
        while True:
            with _failures_translated():
                rows = self._rows("page_webhooks", {"tenant_id": after[0], "webhook_id": after[1], "limit": limit})
            if not rows:
                return
            page = [(row["tenant_id"], row["webhook_id"]) for row in rows]
            yield page
            after = page[-1]

    def count_changes(self) -> tuple[int, float]:
        """How many rows wait, and for how many seconds the oldest of them."""
        row = self._one("count_changes", {})
        return int(row["changes"]), float(row["oldest_seconds"])

    def await_change(self, timeout_seconds: float) -> None:
        """Return when a change was committed, or after the time."""
        with _failures_translated():
            for _ in self._connection.notifies(timeout=timeout_seconds, stop_after=1):
                return

    def _one(self, query: str, parameters: Mapping[str, Any]) -> Row:
        with _failures_translated():
            [row] = self._rows(query, parameters)
            return row

    def _rows(self, query: str, parameters: Mapping[str, Any]) -> list[Row]:
        return self._connection.execute(_QUERIES[query].encode(), parameters).fetchall()


@contextmanager
def relay_session(settings: PostgresSettings) -> Iterator[RelaySession]:
    """A new session as hookline_relay. It is not a pool's: the lock lives and dies with it."""
    bounds = {
        "statement_timeout_ms": str(int(settings.statement_timeout_seconds * 1_000)),
        "idle_timeout_ms": str(IDLE_SECONDS_MAX * 1_000),
    }
    with _failures_translated():
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
        with _failures_translated():
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            connection.execute(_QUERIES["become_relay"].encode())
            connection.execute(_QUERIES["bound_session"].encode(), bounds)
            connection.execute(_QUERIES["listen"].encode())
        yield RelaySession(connection)
    finally:
        connection.close()


@contextmanager
def _failures_translated() -> Iterator[None]:
    """Whatever the database says no to ends the session; a new one may find it mended."""
    try:
        with unavailability_translated():
            yield
    except psycopg.Error as error:
        cause = error.diag.message_primary or type(error).__name__
        raise PostgresUnavailableError(f"the relay's session failed: {cause}") from error
