"""Ticket priorities as the API takes and shows them."""

from pydantic import Field

from management.entities.schemas import EntityFilter, EntityInput, EntityShown, Name, Position, Search
from management.patching import PatchInput


class TicketPriorityFilter(EntityFilter):
    """Which priorities a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a name")
    is_active: bool | None = None


class TicketPriority(EntityShown):
    """A priority. New tickets of no named priority get the default one of their board, else that of the tenant."""

    name: str
    level: int = Field(description="the higher, the more urgent")
    is_default: bool
    is_active: bool


class TicketPriorityCreateInput(EntityInput):
    """A new priority."""

    name: Name = Field(description="unique in the tenant, in any case of its letters")
    level: Position
    is_default: bool = Field(default=False, description="takes the place of the present default")
    is_active: bool = True


class TicketPriorityUpdateInput(PatchInput):
    """What to change of a priority."""

    name: Name = ""
    level: Position = 0
    is_default: bool = False
    is_active: bool = True
