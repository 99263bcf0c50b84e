"""Project tasks of a tenant."""

from infra.postgres import Pool
from management.entities.project_tasks.repository import ProjectTaskRepository
from management.entities.project_tasks.schemas import ProjectTask
from management.entities.service import EntityService


class ProjectTaskService(EntityService[ProjectTask]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(ProjectTaskRepository(pool), ProjectTask)
