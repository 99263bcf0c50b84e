"""GET /deliveries, GET /deliveries/{delivery_id}, and the same of one webhook."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from management.access import INBOUND_WEBHOOKS, Access, Actor
from management.deliveries.schemas import DeliveryFilter, InboundWebhookDelivery, WebhookDeliveryFilter
from management.deliveries.service import DeliveryService
from management.paging import Page

_OF_WEBHOOK = "/inbound-webhooks/{webhook_id}/deliveries"


def delivery_routes(service: DeliveryService, access: Access) -> APIRouter:
    """The routes of the resource."""
    reader = Annotated[Actor, Depends(access.require("delivery:read"))]
    router = APIRouter(tags=["deliveries"])

    @router.get("/deliveries")
    def list_deliveries(wanted: Annotated[DeliveryFilter, Query()], actor: reader) -> Page[InboundWebhookDelivery]:
        """Deliveries of all webhooks, newest first."""
        return service.page(actor.tenant_id, wanted)

    @router.get("/deliveries/{delivery_id}")
    def get_delivery(delivery_id: UUID, actor: reader) -> InboundWebhookDelivery:
        """One delivery with its whole body."""
        return service.get(actor.tenant_id, delivery_id)

    return router


def webhook_delivery_routes(service: DeliveryService, access: Access) -> APIRouter:
    """The same of one webhook, for as long as it exists."""
    reader = Annotated[Actor, Depends(access.require("delivery:read", *INBOUND_WEBHOOKS))]
    router = APIRouter(tags=["deliveries"])

    @router.get(_OF_WEBHOOK)
    def list_inbound_webhook_deliveries(
        webhook_id: UUID, wanted: Annotated[WebhookDeliveryFilter, Query()], actor: reader
    ) -> Page[InboundWebhookDelivery]:
        """Deliveries of one webhook, newest first."""
        return service.page_of_webhook(actor.tenant_id, webhook_id, wanted)

    @router.get(_OF_WEBHOOK + "/{delivery_id}")
    def get_inbound_webhook_delivery(webhook_id: UUID, delivery_id: UUID, actor: reader) -> InboundWebhookDelivery:
        """One delivery of a webhook with its whole body."""
        return service.get_of_webhook(actor.tenant_id, webhook_id, delivery_id)

    return router
