"""GET and POST /tickets, GET, PATCH and DELETE /tickets/{ticket_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.routes import EntityRoutes, entity_routes
from management.entities.tickets.schemas import Ticket, TicketCreateInput, TicketFilter, TicketUpdateInput
from management.entities.tickets.service import TicketService

_ROUTES = EntityRoutes(
    path="/tickets",
    one="ticket",
    many="tickets",
    about="Tickets: what clients need, on boards.",
    shown=Ticket,
    wanted=TicketFilter,
    create=TicketCreateInput,
    update=TicketUpdateInput,
    clash="The external id is mapped already",
    in_use="Time entries are of it",
)


def ticket_routes(service: TicketService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_ROUTES, service, access)
