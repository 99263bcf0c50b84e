"""GET and POST /services, GET, PATCH and DELETE /services/{service_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.routes import EntityRoutes, entity_routes
from management.entities.services.schemas import Service, ServiceCreateInput, ServiceFilter, ServiceUpdateInput
from management.entities.services.service import ServiceService

_SERVICES = EntityRoutes(
    path="/services",
    one="service",
    many="services",
    about="Services: what time is worked for and sold as.",
    shown=Service,
    wanted=ServiceFilter,
    create=ServiceCreateInput,
    update=ServiceUpdateInput,
)


def service_routes(service: ServiceService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_SERVICES, service, access)
