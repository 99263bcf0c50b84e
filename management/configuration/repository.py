"""What the configuration relay reads and deletes, all in one session (`management.relays.session`)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from psycopg import IsolationLevel

from infra.queries import load_queries
from infra.settings import PostgresSettings
from management.configuration.records import WebhookKey, read_records
from management.relays.session import RelaySession, failures_translated, relay_connection
from schemas.webhooks import WebhookConfig

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")
_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """Rows of the outbox, and what the webhooks they name are in the same snapshot.

    `changes` are (tenant, change) ids; `oldest_at` is the time of the first, in seconds since the epoch.
    """

    changes: Sequence[tuple[UUID, UUID]]
    keys: Sequence[WebhookKey]
    records: Mapping[WebhookKey, WebhookConfig]
    oldest_at: float


class ConfigurationSession(RelaySession):
    """Changes of webhooks, and the webhooks as they are now."""

    lock_key = 0x686C2072656C6179  # "hl relay"

    def read_changes(self, limit: int) -> ChangeBatch | None:
        """The oldest rows of the outbox; None when there are none. Both parts are of one snapshot: where a row is
        seen, so is the change it stands for."""
        with failures_translated(), self._connection.transaction():
            rows = self._rows(_QUERIES["read_changes"], {"limit": limit})
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
        with failures_translated():
            self._connection.execute(_QUERIES["delete_changes"].encode(), parameters)

    def read_webhooks(self, keys: Sequence[WebhookKey]) -> dict[WebhookKey, WebhookConfig]:
        """The records of these webhooks as they are now; those that are not in force are left out."""
        with failures_translated(), self._connection.transaction():
            return read_records(self._connection, keys)

    def page_webhooks(self, limit: int) -> Iterator[list[WebhookKey]]:
        """The keys of all webhooks, in their order, some at a time."""
        after = (_FIRST, _FIRST)
        while True:
            parameters = {"tenant_id": after[0], "webhook_id": after[1], "limit": limit}
            rows = self._rows(_QUERIES["page_webhooks"], parameters)
            if not rows:
                return
            page = [(row["tenant_id"], row["webhook_id"]) for row in rows]
            yield page
            after = page[-1]

    def count_waiting(self) -> tuple[int, float]:
        """How many changes wait, and for how many seconds the oldest of them."""
        row = self._one(_QUERIES["count_changes"], {})
        return int(row["changes"]), float(row["oldest_seconds"])

    def await_change(self, timeout_seconds: float) -> None:
        """Return when a change was committed, or after the time."""
        with failures_translated():
            for _ in self._connection.notifies(timeout=timeout_seconds, stop_after=1):
                return


@contextmanager
def configuration_session(settings: PostgresSettings) -> Iterator[ConfigurationSession]:
    """A new session that hears of changes. Raises PostgresUnavailableError."""
    with relay_connection(settings) as connection:
        with failures_translated():
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            connection.execute(_QUERIES["listen"].encode())
        yield ConfigurationSession(connection)
