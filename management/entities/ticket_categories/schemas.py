"""Ticket categories as the API takes and shows them."""

from uuid import UUID

from pydantic import Field

from management.entities.schemas import EntityFilter, EntityInput, EntityShown, Name, Search
from management.patching import PatchInput


class TicketCategoryFilter(EntityFilter):
    """Which categories a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a name")
    board_id: UUID | None = None
    parent_id: UUID | None = Field(default=None, description="subcategories of this category")
    is_active: bool | None = None


class TicketCategory(EntityShown):
    """A category, or with a parent a subcategory of it."""

    board_id: UUID | None = Field(description="null: of all boards; a subcategory is where its category is")
    parent_id: UUID | None
    name: str
    is_active: bool


class TicketCategoryCreateInput(EntityInput):
    """A new category of a board or of all boards, or a subcategory; it stays where it is made."""

    board_id: UUID | None = Field(default=None, description="null: of all boards; a subcategory has none of its own")
    parent_id: UUID | None = Field(default=None, description="the category of a subcategory")
    name: Name = Field(description="unique on its board or in its category, in any case of its letters")
    is_active: bool = True


class TicketCategoryUpdateInput(PatchInput):
    """What to change of a category."""

    name: Name = ""
    is_active: bool = True
