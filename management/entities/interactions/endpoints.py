"""GET and POST /interactions, GET, PATCH and DELETE /interactions/{interaction_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.interactions.schemas import (
    Interaction,
    InteractionCreateInput,
    InteractionFilter,
    InteractionUpdateInput,
)
from management.entities.interactions.service import InteractionService
from management.entities.routes import EntityRoutes, entity_routes

_ROUTES = EntityRoutes(
    path="/interactions",
    one="interaction",
    many="interactions",
    about="Interactions: calls, visits and the like with a client.",
    shown=Interaction,
    wanted=InteractionFilter,
    create=InteractionCreateInput,
    update=InteractionUpdateInput,
    clash="It clashes with another",
    in_use="Time entries are of it",
)


def interaction_routes(service: InteractionService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_ROUTES, service, access)
