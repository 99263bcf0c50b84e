"""Ticket statuses as the API takes and shows them."""

from uuid import UUID

from pydantic import Field

from management.entities.schemas import EntityFilter, EntityInput, EntityShown, Name, Position, Search
from management.patching import PatchInput


class TicketStatusFilter(EntityFilter):
    """Which statuses a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a name")
    board_id: UUID | None = None
    is_active: bool | None = None
    is_closed: bool | None = None


class TicketStatus(EntityShown):
    """A status. New tickets of no named status get the default one of their board."""

    board_id: UUID
    name: str
    position: int = Field(description="statuses of a board are shown in this order")
    is_default: bool
    is_closed: bool = Field(description="whether its tickets are closed")
    is_active: bool


class TicketStatusCreateInput(EntityInput):
    """A new status of a board, where it stays."""

    board_id: UUID
    name: Name = Field(description="unique on the board, in any case of its letters")
    position: Position = 0
    is_default: bool = Field(default=False, description="takes the place of the board's present default")
    is_closed: bool = False
    is_active: bool = True


class TicketStatusUpdateInput(PatchInput):
    """What to change of a status; `is_closed` stays while tickets have it."""

    name: Name = ""
    position: Position = 0
    is_default: bool = False
    is_closed: bool = False
    is_active: bool = True
