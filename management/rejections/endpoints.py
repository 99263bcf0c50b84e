"""GET /rejections, /rejections/export and /rejections/{rejection_id}."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from management.access import Access, Actor
from management.exports import EXPORT_ANSWERS, ExportResponse
from management.log_pages import LogPage
from management.rejections.schemas import Rejection, RejectionDetail, RejectionExportQuery, RejectionFilter
from management.rejections.service import RejectionService


def rejection_routes(service: RejectionService, access: Access) -> APIRouter:
    """The routes of the resource."""
    reader = Annotated[Actor, Depends(access.require("rejection:read"))]
    exporter = Annotated[Actor, Depends(access.require("rejection:export"))]
    router = APIRouter(tags=["rejections"])

    @router.get("/rejections")
    def list_rejections(wanted: Annotated[RejectionFilter, Query()], actor: reader) -> LogPage[Rejection]:
        """Requests that were not accepted, newest first."""
        return service.page(actor, wanted)

    # Before /rejections/{rejection_id}, which would take its last part for an id.
    @router.get("/rejections/export", response_class=StreamingResponse, responses=EXPORT_ANSWERS)
    def export_rejections(wanted: RejectionExportQuery, actor: exporter) -> ExportResponse:
        """Rejections as a file, CSV or JSON Lines, oldest first."""
        return service.export(actor, wanted)

    @router.get("/rejections/{rejection_id}")
    def get_rejection(rejection_id: UUID, actor: reader) -> RejectionDetail:
        """One of them, with the place of its record."""
        return service.get(actor, rejection_id)

    return router
