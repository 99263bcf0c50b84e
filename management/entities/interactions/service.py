"""Interactions of a tenant."""

from infra.postgres import Pool
from management.entities.interactions.repository import InteractionRepository
from management.entities.interactions.schemas import Interaction
from management.entities.service import EntityService


class InteractionService(EntityService[Interaction]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(InteractionRepository(pool), Interaction)
