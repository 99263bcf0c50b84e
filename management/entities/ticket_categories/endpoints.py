"""GET and POST /ticket-categories, GET, PATCH and DELETE /ticket-categories/{ticket_category_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.routes import EntityRoutes, entity_routes
from management.entities.ticket_categories.schemas import (
    TicketCategory,
    TicketCategoryCreateInput,
    TicketCategoryFilter,
    TicketCategoryUpdateInput,
)
from management.entities.ticket_categories.service import TicketCategoryService

_TICKET_CATEGORIES = EntityRoutes(
    path="/ticket-categories",
    one="ticket_category",
    many="ticket_categories",
    about="Categories of tickets, and subcategories, which have a category as their parent.",
    shown=TicketCategory,
    wanted=TicketCategoryFilter,
    create=TicketCategoryCreateInput,
    update=TicketCategoryUpdateInput,
)


def ticket_category_routes(service: TicketCategoryService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_TICKET_CATEGORIES, service, access)
