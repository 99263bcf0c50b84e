"""Priorities of a tenant."""

from infra.postgres import Pool
from management.entities.service import EntityService
from management.entities.ticket_priorities.repository import TicketPriorityRepository
from management.entities.ticket_priorities.schemas import TicketPriority


class TicketPriorityService(EntityService[TicketPriority]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(TicketPriorityRepository(pool), TicketPriority)
