"""GET and POST /project-statuses, GET, PATCH and DELETE /project-statuses/{project_status_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.project_statuses.schemas import (
    ProjectStatus,
    ProjectStatusCreateInput,
    ProjectStatusFilter,
    ProjectStatusUpdateInput,
)
from management.entities.project_statuses.service import ProjectStatusService
from management.entities.routes import EntityRoutes, entity_routes

_ROUTES = EntityRoutes(
    path="/project-statuses",
    one="project_status",
    many="project_statuses",
    about="Project statuses: where tasks stand, of one project or of all.",
    shown=ProjectStatus,
    wanted=ProjectStatusFilter,
    create=ProjectStatusCreateInput,
    update=ProjectStatusUpdateInput,
    clash="The name is taken, or tasks have the status",
    in_use="Tasks have it",
)


def project_status_routes(service: ProjectStatusService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_ROUTES, service, access)
