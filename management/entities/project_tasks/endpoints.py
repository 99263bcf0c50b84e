"""GET and POST /project-tasks, GET, PATCH and DELETE /project-tasks/{project_task_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.project_tasks.schemas import (
    ProjectTask,
    ProjectTaskCreateInput,
    ProjectTaskFilter,
    ProjectTaskUpdateInput,
)
from management.entities.project_tasks.service import ProjectTaskService
from management.entities.routes import EntityRoutes, entity_routes

_ROUTES = EntityRoutes(
    path="/project-tasks",
    one="project_task",
    many="project_tasks",
    about="Project tasks: what is to be done in a phase of a project.",
    shown=ProjectTask,
    wanted=ProjectTaskFilter,
    create=ProjectTaskCreateInput,
    update=ProjectTaskUpdateInput,
    clash="The external id is mapped already",
    in_use="Time entries are of it",
)


def project_task_routes(service: ProjectTaskService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_ROUTES, service, access)
