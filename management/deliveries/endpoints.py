"""GET /deliveries, GET /deliveries/{delivery_id}."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from management.api_keys.service import Caller
from management.authentication import Authenticate
from management.deliveries.schemas import Delivery, DeliveryFilter
from management.deliveries.service import DeliveryService
from management.paging import Page


def delivery_routes(service: DeliveryService, authenticate: Authenticate) -> APIRouter:
    """The routes of the resource."""
    router = APIRouter(tags=["deliveries"])

    @router.get("/deliveries")
    def list_deliveries(
        wanted: Annotated[DeliveryFilter, Query()], caller: Annotated[Caller, Depends(authenticate)]
    ) -> Page[Delivery]:
        """Deliveries of all webhooks, newest first."""
        return service.page(caller.tenant_id, wanted)

    @router.get("/deliveries/{delivery_id}")
    def get_delivery(delivery_id: UUID, caller: Annotated[Caller, Depends(authenticate)]) -> Delivery:
        """One delivery with its whole body."""
        return service.get(caller.tenant_id, delivery_id)

    return router
