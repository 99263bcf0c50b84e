"""Every kind of entity with its routes."""

from fastapi import APIRouter

from infra.postgres import Pool
from management.access import Access
from management.entities.assets.endpoints import asset_routes
from management.entities.assets.service import AssetService
from management.entities.boards.endpoints import board_routes
from management.entities.boards.service import BoardService
from management.entities.client_locations.endpoints import client_location_routes
from management.entities.client_locations.service import ClientLocationService
from management.entities.clients.endpoints import client_routes
from management.entities.clients.service import ClientService
from management.entities.contacts.endpoints import contact_routes
from management.entities.contacts.service import ContactService
from management.entities.external_entity_mappings.endpoints import external_entity_mapping_routes
from management.entities.external_entity_mappings.service import ExternalEntityMappingService
from management.entities.services.endpoints import service_routes
from management.entities.services.service import ServiceService
from management.entities.teams.endpoints import team_routes
from management.entities.teams.service import TeamService
from management.entities.ticket_categories.endpoints import ticket_category_routes
from management.entities.ticket_categories.service import TicketCategoryService
from management.entities.ticket_priorities.endpoints import ticket_priority_routes
from management.entities.ticket_priorities.service import TicketPriorityService
from management.entities.ticket_statuses.endpoints import ticket_status_routes
from management.entities.ticket_statuses.service import TicketStatusService


def entity_resources(pool: Pool, access: Access) -> list[APIRouter]:
    """The routes of all kinds; asks no store anything."""
    return [
        board_routes(BoardService(pool), access),
        ticket_status_routes(TicketStatusService(pool), access),
        ticket_priority_routes(TicketPriorityService(pool), access),
        ticket_category_routes(TicketCategoryService(pool), access),
        team_routes(TeamService(pool), access),
        service_routes(ServiceService(pool), access),
        client_routes(ClientService(pool), access),
        client_location_routes(ClientLocationService(pool), access),
        contact_routes(ContactService(pool), access),
        asset_routes(AssetService(pool), access),
        external_entity_mapping_routes(ExternalEntityMappingService(pool), access),
    ]
