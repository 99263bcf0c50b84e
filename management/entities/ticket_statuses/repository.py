"""Ticket statuses in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.entities.documents import Row
from infra.postgres import Connection, Pool
from management.access import Actor
from management.entities.defaults import take_default
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem

_TABLE = EntityTable(
    resource="ticket_status",
    folder=Path(__file__).parent,
    columns=("board_id", "name", "position", "is_default", "is_closed", "is_active"),
    taken={
        "ticket_statuses_name_key": Problem("name", "the board has a status of this name already"),
        "ticket_statuses_one_default": Problem("is_default", "another status has just become the default: try again"),
    },
    unknown={
        "ticket_statuses_tenant_id_board_id_fkey": Problem("board_id", "there is no such board"),
        "ticket_statuses_check": Problem("is_default", "a status that is not active cannot be the default"),
    },
    held={
        "tickets_tenant_id_board_id_status_id_is_closed_fkey": Problem(
            "is_closed", "tickets have this status: make another one and move them to it"
        )
    },
    in_use="tickets have this status: move them to another one, or deactivate it instead",
)


class TicketStatusRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)

    def completed(self, connection: Connection, actor: Actor, before: Row | None, row: Row) -> Row:
        """Of a board's statuses one at most is the default."""
        take_default(self, connection, actor, before, row)
        return row
