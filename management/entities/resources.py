"""Every kind of entity with its routes."""

from fastapi import APIRouter

from infra.postgres import Pool
from management.access import Access
from management.entities.boards.endpoints import board_routes
from management.entities.boards.service import BoardService


def entity_resources(pool: Pool, access: Access) -> list[APIRouter]:
    """The routes of all kinds; asks no store anything."""
    return [board_routes(BoardService(pool), access)]
