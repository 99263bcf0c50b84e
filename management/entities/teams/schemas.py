"""Teams as the API takes and shows them."""

from pydantic import Field

from management.entities.schemas import EntityFilter, EntityInput, EntityShown, Name, Search
from management.patching import PatchInput


class TeamFilter(EntityFilter):
    """Which teams a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a name")
    is_active: bool | None = None


class Team(EntityShown):
    """A team. Tickets are assigned to it, to a person, or to both."""

    name: str
    is_active: bool


class TeamCreateInput(EntityInput):
    """A new team."""

    name: Name = Field(description="unique in the tenant, in any case of its letters")
    is_active: bool = True


class TeamUpdateInput(PatchInput):
    """What to change of a team."""

    name: Name = ""
    is_active: bool = True
