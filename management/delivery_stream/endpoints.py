"""GET /deliveries/stream, and the same of one webhook: Server-Sent Events."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from management.access import INBOUND_WEBHOOKS, Access, Actor, Requirement
from management.delivery_stream.schemas import StreamFilter, WebhookStreamFilter
from management.delivery_stream.service import DeliveryStreamService
from management.event_streams import EVENT_STREAM, EventStream, require_event_stream

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `delivery` (data: DeliveryChange), `gap` and `end`; see docs/delivery-stream.md",
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    },
    406: {"description": "The request does not say `Accept: text/event-stream`"},
    429: {"description": "Too many open streams, or too many requests of this tenant in this minute"},
}
_LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", max_length=10_000, description="Go on after this event")
]


def delivery_stream_routes(service: DeliveryStreamService, access: Access) -> APIRouter:
    """The routes of the resource; they go before those that take the last part for an id."""
    of_tenant = access.require("delivery:read")
    of_webhook = access.require("delivery:read", *INBOUND_WEBHOOKS)
    router = APIRouter(tags=["deliveries"])

    async def opened(
        request: Request, requirement: Requirement, actor: Actor, wanted: StreamFilter, last_event_id: str | None
    ) -> StreamingResponse:
        stream = await service.open(actor.tenant_id, wanted, last_event_id)
        return EventStream(service.events(stream, lambda: requirement(request)), lambda: service.close(stream))

    @router.get("/deliveries/stream", response_class=StreamingResponse, responses=_ANSWERS)
    async def stream_deliveries(
        request: Request,
        wanted: Annotated[StreamFilter, Query()],
        actor: Annotated[Actor, Depends(of_tenant)],
        last_event_id: _LastEventId = None,
    ) -> StreamingResponse:
        """Changes of deliveries as they happen, of all webhooks."""
        require_event_stream(request)
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
        require_event_stream(request)
        of_one = StreamFilter(webhook_id=webhook_id, dispatch_status=wanted.dispatch_status)
        return await opened(request, of_webhook, actor, of_one, last_event_id)

    return router
