"""Server-Sent Events: answers without an end, for those who ask for one by name and may still have it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import orjson
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from infra.errors import PostgresUnavailableError
from management.errors import ApiError, NotAcceptableError, TooManyRequestsError

EVENT_STREAM = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
#: How soon a revoked key or an ended session ends its stream.
ACCESS_SECONDS = 5.0
LIFETIME_SECONDS_MAX = 3_600.0
#: A client that takes nothing for so long is gone.
_SEND_SECONDS_MAX = 30.0

Recheck = Callable[[], object]


class EventStream(StreamingResponse):
    """Calls `close` whatever becomes of the client, which has a bounded time to take each event."""

    def __init__(self, events: AsyncIterator[bytes], close: Callable[[], None]) -> None:
        super().__init__(events, media_type=EVENT_STREAM, headers={"X-Accel-Buffering": "no"})
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI says."""

        async def bounded(message: Message) -> None:
            async with asyncio.timeout(_SEND_SECONDS_MAX):
                await send(message)

        try:
            with suppress(ClientDisconnect, TimeoutError):
                await super().__call__(scope, receive, bounded)
        finally:
            self._close()


def require_event_stream(request: Request) -> None:
    """Raises NotAcceptableError: an answer without an end is given only to who asks for one by name."""
    if EVENT_STREAM not in request.headers.get("accept", ""):
        raise NotAcceptableError("this answer has no end: ask for it with Accept: text/event-stream")


def event(name: str, data: object) -> bytes:
    """One without an id."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))


def may_still(recheck: Recheck) -> bool:
    """A store that is away, and a tenant out of calls, say nothing about the caller's rights."""
    try:
        recheck()
    except (TooManyRequestsError, PostgresUnavailableError):
        return True
    except ApiError:
        return False
    return True
