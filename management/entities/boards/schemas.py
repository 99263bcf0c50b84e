"""Boards as the API takes and shows them."""

from uuid import UUID

from pydantic import Field

from management.entities.schemas import EntityFilter, EntityInput, EntityShown, Name, Search
from management.patching import PatchInput


class BoardFilter(EntityFilter):
    """Which boards a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a name")
    is_active: bool | None = None


class Board(EntityShown):
    """A board. New tickets of no named board go to the default one, with the board's default priority if it has one."""

    name: str
    is_default: bool
    is_active: bool
    default_priority_id: UUID | None


class BoardCreateInput(EntityInput):
    """A new board. It needs statuses, one of them the default, before it can take tickets."""

    name: Name
    is_default: bool = Field(default=False, description="takes the place of the present default")
    is_active: bool = True
    default_priority_id: UUID | None = None


class BoardUpdateInput(PatchInput):
    """What to change of a board."""

    name: Name = ""
    is_default: bool = False
    is_active: bool = True
    default_priority_id: UUID | None = None
