"""GET /rejections and /rejections/{rejection_id}."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from management.access import Access, Actor
from management.paging import Page
from management.rejections.schemas import Rejection, RejectionFilter
from management.rejections.service import RejectionService


def rejection_routes(service: RejectionService, access: Access) -> APIRouter:
    """The routes of the resource."""
    reader = Annotated[Actor, Depends(access.require("rejection:read"))]
    router = APIRouter(tags=["rejections"])

    @router.get("/rejections")
    def list_rejections(wanted: Annotated[RejectionFilter, Query()], actor: reader) -> Page[Rejection]:
        """Requests that were not accepted, newest first."""
        return service.page(actor, wanted)

    @router.get("/rejections/{rejection_id}")
    def get_rejection(rejection_id: UUID, actor: reader) -> Rejection:
        """One of them."""
        return service.get(actor, rejection_id)

    return router
