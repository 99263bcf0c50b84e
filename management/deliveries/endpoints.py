"""GET /deliveries, GET /deliveries/{delivery_id}."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from management.access import Access, Actor
from management.deliveries.schemas import DeliveryFilter, InboundWebhookDelivery
from management.deliveries.service import DeliveryService
from management.paging import Page


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
