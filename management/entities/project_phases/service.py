"""Project phases of a tenant."""

from infra.postgres import Pool
from management.entities.project_phases.repository import ProjectPhaseRepository
from management.entities.project_phases.schemas import ProjectPhase
from management.entities.service import EntityService


class ProjectPhaseService(EntityService[ProjectPhase]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(ProjectPhaseRepository(pool), ProjectPhase)
