"""Project phases in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.postgres import Pool
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem

_TABLE = EntityTable(
    resource="project_phase",
    folder=Path(__file__).parent,
    columns=("project_id", "name", "position", "is_active"),
    taken={"project_phases_name_key": Problem("name", "the project has a phase of this name already")},
    unknown={"project_phases_project_fkey": Problem("project_id", "there is no such project")},
    in_use="tasks are in this phase: deactivate it instead",
)


class ProjectPhaseRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)
