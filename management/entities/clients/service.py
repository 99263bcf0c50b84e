"""Clients of a tenant."""

from infra.postgres import Pool
from management.entities.clients.repository import ClientRepository
from management.entities.clients.schemas import Client
from management.entities.service import EntityService


class ClientService(EntityService[Client]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(ClientRepository(pool), Client)
