"""GET and POST /project-phases, GET, PATCH and DELETE /project-phases/{project_phase_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.project_phases.schemas import (
    ProjectPhase,
    ProjectPhaseCreateInput,
    ProjectPhaseFilter,
    ProjectPhaseUpdateInput,
)
from management.entities.project_phases.service import ProjectPhaseService
from management.entities.routes import EntityRoutes, entity_routes

_ROUTES = EntityRoutes(
    path="/project-phases",
    one="project_phase",
    many="project_phases",
    about="Project phases: the parts of a project, in their order.",
    shown=ProjectPhase,
    wanted=ProjectPhaseFilter,
    create=ProjectPhaseCreateInput,
    update=ProjectPhaseUpdateInput,
    clash="The project has a phase of this name",
    in_use="It has tasks",
)


def project_phase_routes(service: ProjectPhaseService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_ROUTES, service, access)
