"""GET and POST /projects, GET, PATCH and DELETE /projects/{project_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.projects.schemas import Project, ProjectCreateInput, ProjectFilter, ProjectUpdateInput
from management.entities.projects.service import ProjectService
from management.entities.routes import EntityRoutes, entity_routes

_ROUTES = EntityRoutes(
    path="/projects",
    one="project",
    many="projects",
    about="Projects: work for a client in phases, made of tasks.",
    shown=Project,
    wanted=ProjectFilter,
    create=ProjectCreateInput,
    update=ProjectUpdateInput,
    clash="The client has a project of this name",
    in_use="It has tasks",
)


def project_routes(service: ProjectService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_ROUTES, service, access)
