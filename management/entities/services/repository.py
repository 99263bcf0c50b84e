"""Services in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.postgres import Pool
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem

_TABLE = EntityTable(
    resource="service",
    folder=Path(__file__).parent,
    columns=("name", "is_active"),
    taken={"services_name_key": Problem("name", "there is a service of this name already")},
    unknown={},
    in_use="time entries or project tasks are of this service: deactivate it instead",
)


class ServiceRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)
