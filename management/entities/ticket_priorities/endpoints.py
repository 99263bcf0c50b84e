"""GET and POST /ticket-priorities, GET, PATCH and DELETE /ticket-priorities/{ticket_priority_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.routes import EntityRoutes, entity_routes
from management.entities.ticket_priorities.schemas import (
    TicketPriority,
    TicketPriorityCreateInput,
    TicketPriorityFilter,
    TicketPriorityUpdateInput,
)
from management.entities.ticket_priorities.service import TicketPriorityService

_TICKET_PRIORITIES = EntityRoutes(
    path="/ticket-priorities",
    one="ticket_priority",
    many="ticket_priorities",
    about="Priorities of tickets and project tasks.",
    shown=TicketPriority,
    wanted=TicketPriorityFilter,
    create=TicketPriorityCreateInput,
    update=TicketPriorityUpdateInput,
)


def ticket_priority_routes(service: TicketPriorityService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_TICKET_PRIORITIES, service, access)
