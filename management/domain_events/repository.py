"""What the relay of domain events reads and deletes, all in one session (`management.relays.session`)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from infra.queries import load_queries
from infra.settings import PostgresSettings
from management.relays.session import RelaySession, failures_translated, relay_connection

#: Of one event: below what the topic takes, with room for its key, its headers and the batch around it.
EVENT_BYTES_MAX = 4_000_000
_BATCH_BYTES_MAX = 8_000_000
_QUERIES = load_queries(Path(__file__).parent / "queries.sql")


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """A row of the outbox. `payload` is the JSON to publish; None: its `size_bytes` are more than the topic takes.

    `created_at` is in seconds since the epoch. `hops` is decimal text, as it goes into a header.
    """

    tenant_id: UUID
    event_id: UUID
    event_type: str
    entity_id: UUID
    created_at: float
    size_bytes: int
    hops: str
    payload: str | None


class EventSession(RelaySession):
    """Domain events that nobody has published yet."""

    lock_key = 0x686C206576656E74  # "hl event"

    def read_events(self, limit: int) -> list[WaitingEvent]:
        """The oldest events by their position, at most `limit`; fewer when they are large.

        Of one entity they are its next ones, whole and in order: each took its position while the entity's row was
        locked, so where one is seen, those before it were committed.
        """
        parameters = {
            "events_max": limit,
            "event_bytes_max": EVENT_BYTES_MAX,
            "batch_bytes_max": _BATCH_BYTES_MAX,
        }
        return [
            WaitingEvent(
                tenant_id=row["tenant_id"],
                event_id=row["event_id"],
                event_type=row["event_type"],
                entity_id=row["entity_id"],
                created_at=row["created_at"].timestamp(),
                size_bytes=row["bytes"],
                hops=row["hops"],
                payload=row["payload"],
            )
            for row in self._rows(_QUERIES["read_events"], parameters)
        ]

    def delete_events(self, events: Sequence[WaitingEvent]) -> None:
        """Forget events that were published."""
        parameters = {
            "tenant_ids": [event.tenant_id for event in events],
            "event_ids": [event.event_id for event in events],
        }
        with failures_translated():
            self._connection.execute(_QUERIES["delete_events"].encode(), parameters)

    def count_waiting(self) -> tuple[int, float]:
        """How many events wait, and for how many seconds the oldest of them."""
        row = self._one(_QUERIES["count_events"], {})
        return int(row["events"]), float(row["oldest_seconds"])


@contextmanager
def event_session(settings: PostgresSettings) -> Iterator[EventSession]:
    """A new session. Raises PostgresUnavailableError."""
    with relay_connection(settings) as connection:
        yield EventSession(connection)
