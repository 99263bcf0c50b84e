"""Locations of a tenant's clients."""

from infra.postgres import Pool
from management.entities.client_locations.repository import ClientLocationRepository
from management.entities.client_locations.schemas import ClientLocation
from management.entities.service import EntityService


class ClientLocationService(EntityService[ClientLocation]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(ClientLocationRepository(pool), ClientLocation)
