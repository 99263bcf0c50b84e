"""Interactions as the API takes and shows them."""

from uuid import UUID

from pydantic import Field

from management.entities.schemas import EntityFilter, EntityInput, EntityShown, Notes, Search, Title
from management.patching import PatchInput


class InteractionFilter(EntityFilter):
    """Which interactions a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a title")
    client_id: UUID | None = None
    contact_id: UUID | None = None


class Interaction(EntityShown):
    """A call, a visit or the like with a client."""

    client_id: UUID
    contact_id: UUID | None
    title: str
    notes: str | None


class InteractionCreateInput(EntityInput):
    """A new interaction."""

    client_id: UUID
    contact_id: UUID | None = Field(default=None, description="a contact of the client")
    title: Title
    notes: Notes | None = None


class InteractionUpdateInput(PatchInput):
    """What to change of an interaction."""

    client_id: UUID = UUID(int=0)
    contact_id: UUID | None = None
    title: Title = ""
    notes: Notes | None = None
