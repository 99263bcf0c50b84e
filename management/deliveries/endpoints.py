"""GET /deliveries, /deliveries/export and /deliveries/{delivery_id}, and the first and last of one webhook."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from management.access import INBOUND_WEBHOOKS, Access, Actor
from management.deliveries.filters import DeliveryExportQuery, DeliveryFilter, WebhookDeliveryFilter
from management.deliveries.schemas import DeliveryDetail, InboundWebhookDelivery
from management.deliveries.service import DeliveryService
from management.exports import EXPORT_ANSWERS, ExportResponse
from management.log_pages import LogPage

_OF_WEBHOOK = "/inbound-webhooks/{webhook_id}/deliveries"


def delivery_routes(service: DeliveryService, access: Access) -> APIRouter:
    """The routes of the resource."""
    reader = Annotated[Actor, Depends(access.require("delivery:read"))]
    exporter = Annotated[Actor, Depends(access.require("delivery:export"))]
    router = APIRouter(tags=["deliveries"])

    @router.get("/deliveries")
    def list_deliveries(wanted: Annotated[DeliveryFilter, Query()], actor: reader) -> LogPage[InboundWebhookDelivery]:
        """Deliveries of all webhooks, newest first."""
        return service.page(actor.tenant_id, wanted)

    # Before /deliveries/{delivery_id}, which would take its last part for an id.
    @router.get("/deliveries/export", response_class=StreamingResponse, responses=EXPORT_ANSWERS)
    def export_deliveries(wanted: DeliveryExportQuery, actor: exporter) -> ExportResponse:
        """Deliveries as a file, CSV or JSON Lines: by webhook, and then oldest first."""
        return service.export(actor.tenant_id, wanted)

    @router.get("/deliveries/{delivery_id}")
    def get_delivery(delivery_id: UUID, actor: reader) -> DeliveryDetail:
        """One delivery with its whole body, its stages and what belongs to it."""
        return service.get(actor.tenant_id, delivery_id)

    return router


def webhook_delivery_routes(service: DeliveryService, access: Access) -> APIRouter:
    """The same of one webhook, for as long as it exists."""
    reader = Annotated[Actor, Depends(access.require("delivery:read", *INBOUND_WEBHOOKS))]
    router = APIRouter(tags=["deliveries"])

    @router.get(_OF_WEBHOOK)
    def list_inbound_webhook_deliveries(
        webhook_id: UUID, wanted: Annotated[WebhookDeliveryFilter, Query()], actor: reader
    ) -> LogPage[InboundWebhookDelivery]:
        """Deliveries of one webhook, newest first."""
        return service.page_of_webhook(actor.tenant_id, webhook_id, wanted)

    @router.get(_OF_WEBHOOK + "/{delivery_id}")
    def get_inbound_webhook_delivery(webhook_id: UUID, delivery_id: UUID, actor: reader) -> DeliveryDetail:
        """One delivery of a webhook with its whole body, its stages and what belongs to it."""
        return service.get_of_webhook(actor.tenant_id, webhook_id, delivery_id)

    return router
