"""Project statuses of a tenant."""

from infra.postgres import Pool
from management.entities.project_statuses.repository import ProjectStatusRepository
from management.entities.project_statuses.schemas import ProjectStatus
from management.entities.service import EntityService


class ProjectStatusService(EntityService[ProjectStatus]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(ProjectStatusRepository(pool), ProjectStatus)
