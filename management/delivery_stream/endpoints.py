"""GET /deliveries/stream, and the same of one webhook: Server-Sent Events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from management.access import INBOUND_WEBHOOKS, Access, Actor, Requirement
from management.delivery_stream.schemas import StreamFilter, WebhookStreamFilter
from management.delivery_stream.service import DeliveryStreamService, Stream
from management.errors import NotAcceptableError

_MEDIA_TYPE = "text/event-stream"
#: A client that takes nothing for so long is gone.
_SEND_SECONDS_MAX = 30.0
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `delivery` (data: DeliveryChange), `gap` and `end`; see docs/delivery-stream.md",
        "content": {_MEDIA_TYPE: {"schema": {"type": "string"}}},
    },
    406: {"description": "The request does not say `Accept: text/event-stream`"},
    429: {"description": "Too many open streams, or too many requests of this tenant in this minute"},
}
_LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", max_length=10_000, description="Go on after this event")
]


class _EventStream(StreamingResponse):
    """Closes its stream whatever becomes of the client, which has a bounded time to take each event."""

    def __init__(self, service: DeliveryStreamService, stream: Stream, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, media_type=_MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})
        self._service = service
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def bounded(message: Message) -> None:
            async with asyncio.timeout(_SEND_SECONDS_MAX):
                await send(message)

        try:
            with suppress(ClientDisconnect, TimeoutError):
                await super().__call__(scope, receive, bounded)
        finally:
            self._service.close(self._stream)


def delivery_stream_routes(service: DeliveryStreamService, access: Access) -> APIRouter:
    """The routes of the resource; they go before those that take the last part for an id."""
    of_tenant = access.require("delivery:read")
    of_webhook = access.require("delivery:read", *INBOUND_WEBHOOKS)
    router = APIRouter(tags=["deliveries"])

    async def opened(
        request: Request, requirement: Requirement, actor: Actor, wanted: StreamFilter, last_event_id: str | None
    ) -> StreamingResponse:
        stream = await service.open(actor.tenant_id, wanted, last_event_id)
        return _EventStream(service, stream, service.events(stream, lambda: requirement(request)))

    @router.get("/deliveries/stream", response_class=StreamingResponse, responses=_ANSWERS)
    async def stream_deliveries(
        request: Request,
        wanted: Annotated[StreamFilter, Query()],
        actor: Annotated[Actor, Depends(of_tenant)],
        last_event_id: _LastEventId = None,
    ) -> StreamingResponse:
        """Changes of deliveries as they happen, of all webhooks."""
        _require_event_stream(request)
        return await opened(request, of_tenant, actor, wanted, last_event_id)

    @router.get(
        "/inbound-webhooks/{webhook_id}/deliveries/stream", response_class=StreamingResponse, responses=_ANSWERS
    )
    async def stream_inbound_webhook_deliveries(
        request: Request,
        webhook_id: UUID,
        wanted: Annotated[WebhookStreamFilter, Query()],
        actor: Annotated[Actor, Depends(of_webhook)],
        last_event_id: _LastEventId = None,
    ) -> StreamingResponse:
        """Changes of the deliveries of one webhook as they happen."""
        await service.require_webhook(actor.tenant_id, webhook_id)
        _require_event_stream(request)
        of_one = StreamFilter(webhook_id=webhook_id, dispatch_status=wanted.dispatch_status)
        return await opened(request, of_webhook, actor, of_one, last_event_id)

    return router


def _require_event_stream(request: Request) -> None:
    """An answer without an end is given only to who asks for one by name."""
    if _MEDIA_TYPE not in request.headers.get("accept", ""):
        raise NotAcceptableError("this answer has no end: ask for it with Accept: text/event-stream")
