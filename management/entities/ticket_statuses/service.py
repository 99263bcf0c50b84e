"""Statuses of a tenant's boards."""

from infra.postgres import Pool
from management.entities.service import EntityService
from management.entities.ticket_statuses.repository import TicketStatusRepository
from management.entities.ticket_statuses.schemas import TicketStatus


class TicketStatusService(EntityService[TicketStatus]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(TicketStatusRepository(pool), TicketStatus)
