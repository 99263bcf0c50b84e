"""Services of a tenant."""

from infra.postgres import Pool
from management.entities.service import EntityService
from management.entities.services.repository import ServiceRepository
from management.entities.services.schemas import Service


class ServiceService(EntityService[Service]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(ServiceRepository(pool), Service)
