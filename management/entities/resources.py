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
from management.entities.interactions.endpoints import interaction_routes
from management.entities.interactions.service import InteractionService
from management.entities.invoices.endpoints import invoice_routes
from management.entities.invoices.service import InvoiceService
from management.entities.non_billable_categories.endpoints import non_billable_category_routes
from management.entities.non_billable_categories.service import NonBillableCategoryService
from management.entities.project_phases.endpoints import project_phase_routes
from management.entities.project_phases.service import ProjectPhaseService
from management.entities.project_statuses.endpoints import project_status_routes
from management.entities.project_statuses.service import ProjectStatusService
from management.entities.project_tasks.endpoints import project_task_routes
from management.entities.project_tasks.service import ProjectTaskService
from management.entities.projects.endpoints import project_routes
from management.entities.projects.service import ProjectService
from management.entities.services.endpoints import service_routes
from management.entities.services.service import ServiceService
from management.entities.tags.endpoints import tag_routes
from management.entities.tags.service import TagService
from management.entities.teams.endpoints import team_routes
from management.entities.teams.service import TeamService
from management.entities.ticket_categories.endpoints import ticket_category_routes
from management.entities.ticket_categories.service import TicketCategoryService
from management.entities.ticket_comments.endpoints import ticket_comment_routes
from management.entities.ticket_comments.service import TicketCommentService
from management.entities.ticket_priorities.endpoints import ticket_priority_routes
from management.entities.ticket_priorities.service import TicketPriorityService
from management.entities.ticket_statuses.endpoints import ticket_status_routes
from management.entities.ticket_statuses.service import TicketStatusService
from management.entities.tickets.endpoints import ticket_routes
from management.entities.tickets.service import TicketService
from management.entities.time_entries.endpoints import time_entry_routes
from management.entities.time_entries.service import TimeEntryService
from management.entities.time_periods.endpoints import time_period_routes
from management.entities.time_periods.service import TimePeriodService
from management.entities.time_sheets.endpoints import time_sheet_routes
from management.entities.time_sheets.service import TimeSheetService


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
        ticket_routes(TicketService(pool), access),
        ticket_comment_routes(TicketCommentService(pool), access),
        invoice_routes(InvoiceService(pool), access),
        project_routes(ProjectService(pool), access),
        project_phase_routes(ProjectPhaseService(pool), access),
        project_status_routes(ProjectStatusService(pool), access),
        project_task_routes(ProjectTaskService(pool), access),
        non_billable_category_routes(NonBillableCategoryService(pool), access),
        interaction_routes(InteractionService(pool), access),
        time_period_routes(TimePeriodService(pool), access),
        time_sheet_routes(TimeSheetService(pool), access),
        time_entry_routes(TimeEntryService(pool), access),
        tag_routes(TagService(pool), access),
        external_entity_mapping_routes(ExternalEntityMappingService(pool), access),
    ]
