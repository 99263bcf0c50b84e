"""Whoever listens: what is queued for them, and where they are. The tail's thread offers, the server's loop takes."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from management.delivery_stream.positions import Place
from management.delivery_stream.schemas import StreamFilter
from schemas.records import DeliveryRecord

#: Changes that wait for one listener; one that falls further behind is cut off, and can resume.
QUEUED_CHANGES_MAX = 1_000


class Change(NamedTuple):
    """A record and where it stands."""

    partition: int
    offset: int
    record: DeliveryRecord


@dataclass
class Listener:
    """One open stream. `seen`: of each partition the next offset; earlier ones were sent or are none of its own."""

    tenant_id: UUID
    wanted: StreamFilter
    incarnation: str
    seen: dict[int, int]
    loop: asyncio.AbstractEventLoop
    ended: str | None = None
    _queue: deque[Change] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def wants(self, record: DeliveryRecord) -> bool:
        """Whether the record is of this tenant and passes the filter."""
        if record.tenant_id != str(self.tenant_id):
            return False
        if self.wanted.webhook_id is not None and record.webhook_id != str(self.wanted.webhook_id):
            return False
        return self.wanted.dispatch_status in (None, record.dispatch_status)

    def offer(self, change: Change) -> None:
        """From the tail's thread; never waits."""
        with self._lock:
            if self.ended is not None:
                return
            if len(self._queue) >= QUEUED_CHANGES_MAX:
                self.ended = "slow"
            else:
                self._queue.append(change)
        self._wake()

    def end(self, reason: str) -> None:
        """Nothing more is offered; what was not sent is left for who resumes."""
        with self._lock:
            self.ended = self.ended or reason
        self._wake()

    async def take(self, timeout_seconds: float) -> list[Change]:
        """What is queued, waiting for it at most so long."""
        if not self._queue and self.ended is None:
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self._news.wait()
            except TimeoutError:
                return []
        with self._lock:
            taken = list(self._queue)
            self._queue.clear()
            self._news.clear()
        return taken

    def pass_over(self, reached: dict[int, int]) -> None:
        """Everything before `reached` was offered: with an empty queue it was sent, too."""
        with self._lock:
            if not self._queue and self.ended is None:
                for partition, offset in reached.items():
                    self.seen[partition] = max(offset, self.seen.get(partition, 0))

    @property
    def place(self) -> Place:
        """Where a stream goes on after what was sent of this one."""
        return Place(self.incarnation, tuple(self.seen[number] for number in sorted(self.seen)))

    def _wake(self) -> None:
        wake: Callable[[], None] = self._news.set
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(wake)
