"""GET and POST /ticket-statuses, GET, PATCH and DELETE /ticket-statuses/{ticket_status_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.routes import EntityRoutes, entity_routes
from management.entities.ticket_statuses.schemas import (
    TicketStatus,
    TicketStatusCreateInput,
    TicketStatusFilter,
    TicketStatusUpdateInput,
)
from management.entities.ticket_statuses.service import TicketStatusService

_TICKET_STATUSES = EntityRoutes(
    path="/ticket-statuses",
    one="ticket_status",
    many="ticket_statuses",
    about="Statuses of tickets: each is of one board.",
    shown=TicketStatus,
    wanted=TicketStatusFilter,
    create=TicketStatusCreateInput,
    update=TicketStatusUpdateInput,
    clash="The name is taken, or tickets have it",
    in_use="Tickets have it",
)


def ticket_status_routes(service: TicketStatusService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_TICKET_STATUSES, service, access)
