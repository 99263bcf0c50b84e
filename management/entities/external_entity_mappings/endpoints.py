"""GET and POST /external-entity-mappings, GET, PATCH and DELETE of one."""

from fastapi import APIRouter

from management.access import Access
from management.entities.external_entity_mappings.schemas import (
    ExternalEntityMapping,
    ExternalEntityMappingCreateInput,
    ExternalEntityMappingFilter,
    ExternalEntityMappingUpdateInput,
)
from management.entities.external_entity_mappings.service import ExternalEntityMappingService
from management.entities.routes import EntityRoutes, entity_routes

_MAPPINGS = EntityRoutes(
    path="/external-entity-mappings",
    one="external_entity_mapping",
    many="external_entity_mappings",
    about="Which entities the external ids of senders mean, by webhook.",
    shown=ExternalEntityMapping,
    wanted=ExternalEntityMappingFilter,
    create=ExternalEntityMappingCreateInput,
    update=ExternalEntityMappingUpdateInput,
    clash="The external id is mapped, or the entity has an external id of this webhook",
    deletion="Delete an external entity mapping; the entity stays, and actions find it by this id no more.",
)


def external_entity_mapping_routes(service: ExternalEntityMappingService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_MAPPINGS, service, access)
