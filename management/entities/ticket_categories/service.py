"""Categories of a tenant."""

from infra.postgres import Pool
from management.entities.service import EntityService
from management.entities.ticket_categories.repository import TicketCategoryRepository
from management.entities.ticket_categories.schemas import TicketCategory


class TicketCategoryService(EntityService[TicketCategory]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(TicketCategoryRepository(pool), TicketCategory)
