"""GET and POST /tickets/{ticket_id}/comments."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from management.access import Access, Actor
from management.entities.ticket_comments.schemas import TicketComment, TicketCommentCreateInput, TicketCommentFilter
from management.entities.ticket_comments.service import TicketCommentService
from management.paging import Page

_PATH = "/tickets/{ticket_id}/comments"


def ticket_comment_routes(service: TicketCommentService, access: Access) -> APIRouter:
    """The routes of the resource."""
    reader = Annotated[Actor, Depends(access.require("ticket_comment:read"))]
    creator = Annotated[Actor, Depends(access.require("ticket_comment:create"))]
    router = APIRouter(tags=["ticket comments"])

    @router.get(_PATH)
    def list_ticket_comments(
        ticket_id: UUID, wanted: Annotated[TicketCommentFilter, Query()], actor: reader
    ) -> Page[TicketComment]:
        """Comments on a ticket. Newest first."""
        return service.page(actor.tenant_id, ticket_id, wanted)

    @router.post(_PATH, status_code=201)
    def create_ticket_comment(ticket_id: UUID, wanted: TicketCommentCreateInput, actor: creator) -> TicketComment:
        """Say something on a ticket: as the contact that is named, or as the user who calls."""
        return service.create(actor, ticket_id, wanted)

    return router
