"""Teams of a tenant."""

from infra.postgres import Pool
from management.entities.service import EntityService
from management.entities.teams.repository import TeamRepository
from management.entities.teams.schemas import Team


class TeamService(EntityService[Team]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(TeamRepository(pool), Team)
