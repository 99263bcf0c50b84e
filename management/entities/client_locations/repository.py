"""Locations of clients in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.postgres import Pool
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem

_TABLE = EntityTable(
    resource="client_location",
    folder=Path(__file__).parent,
    columns=("client_id", "name", "is_active"),
    taken={"client_locations_name_key": Problem("name", "the client has a location of this name already")},
    unknown={"client_locations_tenant_id_client_id_fkey": Problem("client_id", "there is no such client")},
    in_use="tickets are of this location: deactivate it instead",
)


class ClientLocationRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)
