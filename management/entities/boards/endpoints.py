"""GET and POST /boards, GET, PATCH and DELETE /boards/{board_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.boards.schemas import Board, BoardCreateInput, BoardFilter, BoardUpdateInput
from management.entities.boards.service import BoardService
from management.entities.routes import EntityRoutes, entity_routes

_BOARDS = EntityRoutes(
    path="/boards",
    one="board",
    many="boards",
    about="Boards: where tickets are worked on.",
    shown=Board,
    wanted=BoardFilter,
    create=BoardCreateInput,
    update=BoardUpdateInput,
)


def board_routes(service: BoardService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_BOARDS, service, access)
