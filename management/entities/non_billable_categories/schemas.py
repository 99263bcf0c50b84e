"""Non-billable categories as the API takes and shows them."""

from pydantic import Field

from management.entities.schemas import EntityFilter, EntityInput, EntityShown, Name, Search
from management.patching import PatchInput


class NonBillableCategoryFilter(EntityFilter):
    """Which categories a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a name")
    is_active: bool | None = None


class NonBillableCategory(EntityShown):
    """What work is for that no client is billed for. One that is not active takes no new time entries."""

    name: str
    is_active: bool


class NonBillableCategoryCreateInput(EntityInput):
    """A new category."""

    name: Name
    is_active: bool = True


class NonBillableCategoryUpdateInput(PatchInput):
    """What to change of a category."""

    name: Name = ""
    is_active: bool = True
