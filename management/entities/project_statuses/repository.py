"""Project statuses in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.postgres import Pool
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem

_TABLE = EntityTable(
    resource="project_status",
    folder=Path(__file__).parent,
    columns=("project_id", "name", "position", "is_closed", "is_active"),
    taken={"project_statuses_name_key": Problem("name", "there is a status of this name already")},
    unknown={"project_statuses_project_fkey": Problem("project_id", "there is no such project")},
    held={"project_tasks_status_fkey": Problem("is_closed", "tasks have this status: give them another one first")},
    in_use="tasks have this status: deactivate it instead",
)


class ProjectStatusRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)
