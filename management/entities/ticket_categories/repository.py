"""Ticket categories in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.entities.documents import Row
from infra.postgres import Connection, Pool
from management.access import Actor
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem, ValidationFailedError

_TABLE = EntityTable(
    resource="ticket_category",
    folder=Path(__file__).parent,
    columns=("board_id", "parent_id", "name", "is_active"),
    taken={"ticket_categories_name_key": Problem("name", "there is a category of this name already")},
    unknown={
        "ticket_categories_tenant_id_board_id_fkey": Problem("board_id", "there is no such board"),
        "ticket_categories_tenant_id_parent_id_parent_is_subcategor_fkey": Problem(
            "parent_id", "there is no such category, or it is a subcategory, which has none of its own"
        ),
    },
    in_use="tickets or subcategories are of this category: delete its subcategories first, or deactivate it instead",
)


class TicketCategoryRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)

    def completed(self, connection: Connection, actor: Actor, before: Row | None, row: Row) -> Row:
        """A subcategory is where its category is."""
        del connection, actor, before
        if row["parent_id"] is not None and row["board_id"] is not None:
            raise ValidationFailedError([Problem("board_id", "a subcategory is of its category's board: leave it out")])
        return row
