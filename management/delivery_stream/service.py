"""Streams of a tenant: who may open one, what each is sent, and when it ends."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from infra.errors import KafkaUnavailableError
from infra.settings import KafkaSettings
from management.deliveries.repository import DeliveryRepository
from management.delivery_stream.listeners import Change, Listener
from management.delivery_stream.positions import Missed, Place, read_place, resumed, show_place
from management.delivery_stream.schemas import StreamFilter, change_of
from management.delivery_stream.tail import DeliveryTail, PastReader
from management.errors import (
    NotFoundError,
    Problem,
    TooManyRequestsError,
    UnavailableError,
    ValidationFailedError,
)
from management.event_streams import ACCESS_SECONDS, HEARTBEAT_SECONDS, LIFETIME_SECONDS_MAX, Recheck, event, may_still

TENANT_LISTENERS_MAX = 10
LISTENERS_MAX = 200
_PAST_READERS_MAX = 4


class Stream:
    """One open stream; `close` it whatever happens."""

    def __init__(self, listener: Listener, joined: dict[int, int], missed: list[Missed]) -> None:
        self.listener = listener
        self.joined = joined
        self.missed = missed
        self.caught_up = all(listener.seen[partition] >= end for partition, end in joined.items())


class DeliveryStreamService:
    """Lives on the server's loop; only the tail has a thread of its own."""

    def __init__(self, settings: KafkaSettings, deliveries: DeliveryRepository) -> None:
        self._settings = settings
        self._deliveries = deliveries
        self._tail = DeliveryTail(settings)
        self._open: Counter[UUID] = Counter()
        self._past = asyncio.Semaphore(_PAST_READERS_MAX)

    def start(self) -> None:
        """Returns at once."""
        self._tail.start()

    def release(self) -> None:
        """End every stream, so that the server can end."""
        self._tail.release()

    def stop(self, timeout_seconds: float) -> None:
        """Let the connection go."""
        self._tail.stop(timeout_seconds)

    async def require_webhook(self, tenant_id: UUID, webhook_id: UUID) -> None:
        """Raises NotFoundError where the tenant has no such webhook."""
        if not await run_in_threadpool(self._deliveries.has_webhook, tenant_id, webhook_id):
            raise NotFoundError(f"no webhook {webhook_id}")

    async def open(self, tenant_id: UUID, wanted: StreamFilter, last_event_id: str | None) -> Stream:
        """From now on, or from an event id on.

        Raises ValidationFailedError for an id that is none, TooManyRequestsError, UnavailableError without Kafka.
        """
        shown = None if last_event_id is None else read_place(last_event_id)
        if last_event_id is not None and shown is None:
            raise ValidationFailedError([Problem("Last-Event-ID", "this is no id of an event of this stream")])
        if self._open[tenant_id] >= TENANT_LISTENERS_MAX or self._open.total() >= LISTENERS_MAX:
            message = f"{TENANT_LISTENERS_MAX} streams of this tenant, or {LISTENERS_MAX} in all, are open already"
            raise TooManyRequestsError(message, headers={"Retry-After": "5"})
        self._open[tenant_id] += 1
        try:
            return await run_in_threadpool(self._attach, tenant_id, wanted, shown, asyncio.get_running_loop())
        except BaseException as error:
            self._leave(tenant_id)
            if isinstance(error, KafkaUnavailableError):
                raise UnavailableError("Kafka is away: try again") from error
            raise

    def close(self, stream: Stream) -> None:
        """Nothing more is offered."""
        self._tail.detach(stream.listener)
        self._leave(stream.listener.tenant_id)

    async def events(self, stream: Stream, recheck: Recheck) -> AsyncIterator[bytes]:
        """The stream as Server-Sent Events, until it ends; `recheck` raises ApiError once the caller may not read."""
        listener = stream.listener
        if stream.missed:
            yield event("gap", [missed._asdict() for missed in stream.missed])
        yield _place_of(listener)
        async for change in self._read_past(stream):
            yield _sent(listener, change)
        if not stream.caught_up:  # what is queued lies after what was not read
            yield event("end", {"reason": listener.ended})
            return
        closes_at = time.monotonic() + LIFETIME_SECONDS_MAX
        told_at = checked_at = time.monotonic()
        while listener.ended is None:
            for change in await listener.take(ACCESS_SECONDS):
                yield _sent(listener, change)
                told_at = time.monotonic()
            now = time.monotonic()
            if now >= closes_at:
                listener.end("lifetime")
            if now - checked_at >= ACCESS_SECONDS:
                checked_at = now
                if not await run_in_threadpool(may_still, recheck):
                    listener.end("access")
            if now - told_at >= HEARTBEAT_SECONDS:
                told_at = now
                self._tail.catch_up(listener)
                yield _place_of(listener)
        yield event("end", {"reason": listener.ended})

    def _attach(
        self, tenant_id: UUID, wanted: StreamFilter, shown: Place | None, loop: asyncio.AbstractEventLoop
    ) -> Stream:
        """The tail offers from where it is; what lies before is read by itself, up to there."""
        kept = None if shown is None else self._tail.kept()
        missed: list[Missed] = []

        def make(incarnation: str, joined: dict[int, int]) -> Listener:
            seen = dict(joined)
            if shown is not None and kept is not None:
                found = resumed(shown, incarnation, kept)
                if found is None:
                    raise ValidationFailedError([Problem("Last-Event-ID", "this lies ahead of the stream")])
                seen, gone = found
                missed.extend(gone)
            return Listener(tenant_id, wanted, incarnation, seen, loop)

        listener, joined = self._tail.attach(make)
        return Stream(listener, joined, missed)

    async def _read_past(self, stream: Stream) -> AsyncIterator[Change]:
        listener = stream.listener
        if stream.caught_up:
            return
        async with self._past:
            reader = await run_in_threadpool(PastReader, self._settings, dict(listener.seen), stream.joined)
            try:
                while not reader.finished and listener.ended is None:
                    for change in await run_in_threadpool(reader.read):
                        if listener.wants(change.record):
                            yield change
                if reader.finished:
                    stream.caught_up = True
                    listener.seen |= {p: max(end, listener.seen[p]) for p, end in stream.joined.items()}
            except KafkaUnavailableError:
                listener.end("behind")
            finally:
                await run_in_threadpool(reader.close)

    def _leave(self, tenant_id: UUID) -> None:
        self._open[tenant_id] -= 1
        if not self._open[tenant_id]:
            del self._open[tenant_id]


def _sent(listener: Listener, change: Change) -> bytes:
    listener.seen[change.partition] = change.offset + 1
    data = change_of(change.record).model_dump_json().encode()
    return b"event: delivery\nid: %s\ndata: %s\n\n" % (show_place(listener.place).encode(), data)


def _place_of(listener: Listener) -> bytes:
    """An id without data: a browser remembers it and shows nobody anything."""
    return b": still here\nid: %s\n\n" % show_place(listener.place).encode()
