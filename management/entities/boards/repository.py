"""Boards in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.entities.documents import Row
from infra.postgres import Connection, Pool
from management.access import Actor
from management.entities.defaults import take_default
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem

_TABLE = EntityTable(
    resource="board",
    folder=Path(__file__).parent,
    columns=("name", "is_default", "is_active", "default_priority_id"),
    taken={
        "boards_name_key": Problem("name", "there is a board of this name already"),
        "boards_one_default": Problem("is_default", "another board has just become the default: try again"),
    },
    unknown={
        "boards_tenant_id_default_priority_id_fkey": Problem("default_priority_id", "there is no such ticket priority"),
        "boards_check": Problem("is_default", "a board that is not active cannot be the default"),
    },
    in_use="tickets or categories refer to this board: deactivate it instead",
)


class BoardRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)

    def completed(self, connection: Connection, actor: Actor, before: Row | None, row: Row) -> Row:
        """Of a tenant's boards one at most is the default."""
        take_default(self, connection, actor, before, row)
        return row
