"""Ticket priorities in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.entities.documents import Row
from infra.postgres import Connection, Pool
from management.access import Actor
from management.entities.defaults import take_default
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem

_TABLE = EntityTable(
    resource="ticket_priority",
    folder=Path(__file__).parent,
    columns=("name", "level", "is_default", "is_active"),
    taken={
        "ticket_priorities_name_key": Problem("name", "there is a priority of this name already"),
        "ticket_priorities_one_default": Problem(
            "is_default", "another priority has just become the default: try again"
        ),
    },
    unknown={"ticket_priorities_check": Problem("is_default", "a priority that is not active cannot be the default")},
    in_use="tickets, project tasks or boards have this priority: deactivate it instead",
)


class TicketPriorityRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)

    def completed(self, connection: Connection, actor: Actor, before: Row | None, row: Row) -> Row:
        """Of a tenant's priorities one at most is the default."""
        take_default(self, connection, actor, before, row)
        return row
