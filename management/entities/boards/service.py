"""Boards of a tenant."""

from infra.postgres import Pool
from management.entities.boards.repository import BoardRepository
from management.entities.boards.schemas import Board
from management.entities.service import EntityService


class BoardService(EntityService[Board]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(BoardRepository(pool), Board)
