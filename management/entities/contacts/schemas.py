"""Contacts as the API takes and shows them."""

from uuid import UUID

from pydantic import Field

from management.entities.schemas import Email, EntityFilter, EntityShown, MappedInput, Name, Notes, Search, ShortText
from management.patching import PatchInput


class ContactFilter(EntityFilter):
    """Which contacts a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a name or of an e-mail address")
    client_id: UUID | None = None
    is_inactive: bool | None = None


class Contact(EntityShown):
    """A person of a client."""

    client_id: UUID
    full_name: str
    email: str
    phone: str | None
    role: str | None
    notes: str | None
    is_inactive: bool


class ContactCreateInput(MappedInput):
    """A new contact."""

    client_id: UUID
    full_name: Name
    email: Email = Field(description="unique among the tenant's contacts, in any case of its letters")
    phone: ShortText | None = Field(default=None, description="the number at work")
    role: ShortText | None = Field(default=None, description="what the contact is at the client")
    notes: Notes | None = None
    is_inactive: bool = Field(default=False, description="whether it is out of service: no action names it any more")


class ContactUpdateInput(PatchInput):
    """What to change of a contact; another `client_id` moves it, its tickets stay where they are."""

    client_id: UUID = UUID(int=0)
    full_name: Name = ""
    email: Email = ""
    phone: ShortText | None = None
    role: ShortText | None = None
    notes: Notes | None = None
    is_inactive: bool = False
