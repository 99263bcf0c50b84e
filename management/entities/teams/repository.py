"""Teams in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.postgres import Pool
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem

_TABLE = EntityTable(
    resource="team",
    folder=Path(__file__).parent,
    columns=("name", "is_active"),
    taken={"teams_name_key": Problem("name", "there is a team of this name already")},
    unknown={},
    in_use="tickets are assigned to this team: assign them to another one, or deactivate it instead",
)


class TeamRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)
