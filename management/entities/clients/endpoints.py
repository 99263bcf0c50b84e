"""GET and POST /clients, GET, PATCH and DELETE /clients/{client_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.clients.schemas import Client, ClientCreateInput, ClientFilter, ClientUpdateInput
from management.entities.clients.service import ClientService
from management.entities.routes import EntityRoutes, entity_routes

_CLIENTS = EntityRoutes(
    path="/clients",
    one="client",
    many="clients",
    about="Clients: whom the work is done for.",
    shown=Client,
    wanted=ClientFilter,
    create=ClientCreateInput,
    update=ClientUpdateInput,
)


def client_routes(service: ClientService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_CLIENTS, service, access)
