"""Projects of a tenant."""

from infra.postgres import Pool
from management.entities.projects.repository import ProjectRepository
from management.entities.projects.schemas import Project
from management.entities.service import EntityService


class ProjectService(EntityService[Project]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(ProjectRepository(pool), Project)
