"""GET and POST /erasures, GET /erasures/{erasure_id}, DELETE /deliveries/{delivery_id}/body."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from management.access import Access, Actor
from management.erasures.schemas import Erasure, ErasureCreateInput, ErasureFilter
from management.erasures.service import ErasureService
from management.paging import Page

_TOO_MANY: dict[int | str, dict[str, Any]] = {409: {"description": "Too many of the tenant's erasures are in force"}}


def erasure_routes(service: ErasureService, access: Access) -> APIRouter:
    """The routes of the resource."""
    eraser = Annotated[Actor, Depends(access.require("delivery:erase"))]
    router = APIRouter(tags=["erasures"])

    @router.get("/erasures")
    def list_erasures(wanted: Annotated[ErasureFilter, Query()], actor: eraser) -> Page[Erasure]:
        """What was asked to be deleted from the log, newest first."""
        return service.page(actor, wanted)

    @router.post("/erasures", status_code=202, responses=_TOO_MANY)
    def create_erasure(wanted: ErasureCreateInput, actor: eraser) -> Erasure:
        """Delete, from the log, what deliveries with this value hold; it is done in the background, with a receipt."""
        return service.erase_value(actor, wanted)

    @router.get("/erasures/{erasure_id}")
    def get_erasure(erasure_id: UUID, actor: eraser) -> Erasure:
        """How far it is, and its receipt."""
        return service.get(actor, erasure_id)

    @router.delete("/deliveries/{delivery_id}/body", status_code=202, responses=_TOO_MANY)
    def erase_delivery_body(delivery_id: UUID, actor: eraser) -> Erasure:
        """Delete, from the log, the body of one delivery, its head included; the rest of the row stays."""
        return service.erase_body(actor, delivery_id)

    return router
