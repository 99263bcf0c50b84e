"""Locations of clients as the API takes and shows them."""

from uuid import UUID

from pydantic import Field

from management.entities.schemas import EntityFilter, EntityInput, EntityShown, Name, Search
from management.patching import PatchInput


class ClientLocationFilter(EntityFilter):
    """Which locations a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a name")
    client_id: UUID | None = None
    is_active: bool | None = None


class ClientLocation(EntityShown):
    """A location of a client."""

    client_id: UUID
    name: str
    is_active: bool


class ClientLocationCreateInput(EntityInput):
    """A new location of a client, where it stays."""

    client_id: UUID
    name: Name = Field(description="unique among the client's locations, in any case of its letters")
    is_active: bool = True


class ClientLocationUpdateInput(PatchInput):
    """What to change of a location."""

    name: Name = ""
    is_active: bool = True
