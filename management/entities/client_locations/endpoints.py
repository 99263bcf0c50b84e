"""GET and POST /client-locations, GET, PATCH and DELETE /client-locations/{client_location_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.client_locations.schemas import (
    ClientLocation,
    ClientLocationCreateInput,
    ClientLocationFilter,
    ClientLocationUpdateInput,
)
from management.entities.client_locations.service import ClientLocationService
from management.entities.routes import EntityRoutes, entity_routes

_CLIENT_LOCATIONS = EntityRoutes(
    path="/client-locations",
    one="client_location",
    many="client_locations",
    about="Locations of clients.",
    shown=ClientLocation,
    wanted=ClientLocationFilter,
    create=ClientLocationCreateInput,
    update=ClientLocationUpdateInput,
)


def client_location_routes(service: ClientLocationService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_CLIENT_LOCATIONS, service, access)
