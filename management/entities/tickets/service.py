"""Tickets of a tenant."""

from infra.postgres import Pool
from management.entities.service import EntityService
from management.entities.tickets.repository import TicketRepository
from management.entities.tickets.schemas import Ticket


class TicketService(EntityService[Ticket]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(TicketRepository(pool), Ticket)
