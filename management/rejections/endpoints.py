"""GET /rejections."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from management.api_keys.service import Caller
from management.authentication import Authenticate
from management.paging import Page
from management.rejections.schemas import Rejection, RejectionFilter
from management.rejections.service import RejectionService


def rejection_routes(service: RejectionService, authenticate: Authenticate) -> APIRouter:
    """The routes of the resource."""
    router = APIRouter(tags=["rejections"])

    @router.get("/rejections")
    def list_rejections(
        wanted: Annotated[RejectionFilter, Query()], caller: Annotated[Caller, Depends(authenticate)]
    ) -> Page[Rejection]:
        """Requests that were not accepted, newest first."""
        return service.page(caller.tenant_id, wanted)

    return router
