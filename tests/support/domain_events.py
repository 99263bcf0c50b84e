"""Events told under load or one by one, with changes of real rows, and what the relay published of them."""

from __future__ import annotations

import random
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from infra.compacted import read_to_end
from infra.entities.outbox import Cause, outbox_row, write_events
from infra.settings import Settings
from infra.topics import DOMAIN_EVENTS
from schemas.records import DomainEvent
from tests.support.wait import eventually

EVENT_TYPE = "board.counted"
_ACTOR = {"type": "user", "id": str(UUID(int=1)), "name": "Ada Admin"}
_LOADERS = 3
_SLOW_SECONDS = 0.02

_INSERT = "INSERT INTO boards (tenant_id, id, name) VALUES (%s, %s, %s)"
#: A board counts its changes in its name; the row is locked until the transaction ends.
_COUNT = (
    "UPDATE boards SET name = id::text || ' ' || (split_part(name, ' ', 2)::int + 1) "
    "WHERE tenant_id = %s AND id = %s RETURNING split_part(name, ' ', 2)::int AS number"
)


@dataclass(frozen=True, slots=True)
class Published:
    """A record of the topic."""

    key: bytes
    headers: Mapping[str, bytes]
    event: DomainEvent


@dataclass
class Events:
    """A tenant's boards, each of whose changes is told in an event with its number."""

    settings: Settings
    tenant_id: UUID

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """A transaction of the database's owner."""
        with psycopg.connect(self.settings.postgres.dsn.get_secret_value(), row_factory=dict_row) as connection:
            yield connection

    def add_board(self) -> UUID:
        """A board that has not counted yet."""
        board_id = uuid.uuid4()
        with self.connection() as connection:
            connection.execute(_INSERT, (self.tenant_id, board_id, f"{board_id} 0"))
        return board_id

    def tell(self, *boards: UUID, **data: Any) -> list[str]:
        """Change these boards in one transaction; the ids of their events."""
        with self.connection() as connection:
            return list(self.tell_within(connection, *boards, **data))

    def tell_within(self, connection: psycopg.Connection[Any], *boards: UUID, **data: Any) -> dict[str, int]:
        """As `tell`, in a transaction that goes on: the numbers by event id."""
        numbers, rows, now = {}, [], datetime.now(UTC)
        for board in sorted(boards):
            [counted] = connection.execute(_COUNT, (self.tenant_id, board)).fetchall()
            event_id = uuid.uuid4()
            numbers[str(event_id)] = int(counted["number"])
            row = outbox_row(
                EVENT_TYPE,
                event_id=event_id,
                occurred_at=now,
                tenant_id=self.tenant_id,
                entity_type="board",
                entity_id=board,
                cause=Cause(_ACTOR, "a test", 1),
                data={"number": counted["number"], **data},
                changes={},
            )
            rows.append(row)
        write_events(connection, self.tenant_id, now, rows)
        return numbers

    def waiting(self) -> int:
        """Rows of the outbox."""
        with self.connection() as connection:
            [row] = connection.execute("SELECT count(*) AS rows FROM outbox").fetchall()
        return int(row["rows"])

    def await_nothing_waiting(self, *, timeout_seconds: float = 60) -> None:
        eventually(lambda: self.waiting() == 0, timeout_seconds=timeout_seconds, what="an empty outbox")

    def published(self, entity_id: str | None = None) -> list[Published]:
        """Every record of the tenant (or of one entity) that the topic holds, those of an entity in their order.

        The demo tenant is the same one in every database, so its topic has events of other tests, too.
        """
        return [
            Published(message.key() or b"", dict(message.headers() or ()), event)
            for message in read_to_end(self.settings.kafka, DOMAIN_EVENTS, client_id="event-tests")
            for event in (DomainEvent.model_validate_json(message.value() or b""),)
            if event.tenant_id == str(self.tenant_id) and entity_id in (None, event.entity_id)
        ]

    def numbers(self) -> dict[UUID, list[int]]:
        """What was published of each board, in the topic's order."""
        return numbers_by_board(self.published())


def numbers_by_board(published: Sequence[Published]) -> dict[UUID, list[int]]:
    """The numbers of each board that was told of, in their order."""
    numbers: dict[UUID, list[int]] = defaultdict(list)
    for one in published:
        numbers[UUID(one.event.entity_id)].append(one.event.data["number"])
    return dict(numbers)


@dataclass
class EventLoad:
    """Changes boards as fast as it goes, some of them several in one transaction, some transactions slow to commit, one
    in five rolled back. `committed` has the numbers by board and event id."""

    events: Events
    boards: Sequence[UUID]
    seed: int
    committed: dict[str, int] = field(default_factory=dict)
    rolled_back: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for share in range(_LOADERS):
            thread = threading.Thread(target=self._change, args=(share,))
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def assert_all_published_in_order(self) -> int:
        """Every committed event is there and no other, of each board in order but for repeats; how many repeats."""
        published = self.events.published()
        numbers = {one.event.event_id: one.event.data["number"] for one in published}
        assert numbers == self.committed
        for board, met in numbers_by_board(published).items():
            first_met = list(dict.fromkeys(met))
            assert first_met == list(range(1, len(first_met) + 1)), f"board {board} goes backwards: {met}"
        return len(published) - len(numbers)

    def _change(self, share: int) -> None:
        randomness = random.Random(f"{self.seed}/{share}")
        while not self._stopping.is_set():
            boards = randomness.sample(self.boards, randomness.randint(1, 3))
            with self.events.connection() as connection:
                numbers = self.events.tell_within(connection, *boards)
                if randomness.random() < 0.2:
                    connection.execute("SELECT pg_sleep(%s)", (_SLOW_SECONDS,))
                if randomness.random() < 0.2:
                    connection.rollback()
                    self.rolled_back += 1
                    continue
            self.committed |= numbers
