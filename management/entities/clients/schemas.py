"""Clients as the API takes and shows them."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from management.entities.schemas import (
    Currency,
    Email,
    EntityFilter,
    EntityShown,
    JsonObject,
    MappedInput,
    Name,
    Notes,
    Search,
    ShortText,
)
from management.patching import PatchInput

ClientType = Literal["company", "individual"]
Url = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_024)]


class ClientFilter(EntityFilter):
    """Which clients a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a name")
    client_type: ClientType | None = None
    is_inactive: bool | None = None


class Client(EntityShown):
    """A client."""

    name: str
    client_type: ClientType
    url: str | None
    phone_no: str | None
    email: str | None
    address: str | None
    address_2: str | None
    city: str | None
    state: str | None
    zip: str | None
    country: str | None
    default_currency_code: str | None
    notes: str | None
    properties: dict[str, Any]
    is_inactive: bool


class ClientCreateInput(MappedInput):
    """A new client."""

    name: Name = Field(description="unique in the tenant, in any case of its letters")
    client_type: ClientType = "company"
    url: Url | None = None
    phone_no: ShortText | None = None
    email: Email | None = None
    address: ShortText | None = Field(default=None, description="street and number")
    address_2: ShortText | None = Field(default=None, description="what else the address has")
    city: ShortText | None = None
    state: ShortText | None = None
    zip: ShortText | None = None
    country: ShortText | None = None
    default_currency_code: Currency | None = None
    notes: Notes | None = None
    properties: JsonObject = Field(default_factory=dict, description="free members, 64 KiB at most")
    is_inactive: bool = Field(default=False, description="whether it is out of service: no action names it any more")


class ClientUpdateInput(PatchInput):
    """What to change of a client."""

    name: Name = ""
    client_type: ClientType = "company"
    url: Url | None = None
    phone_no: ShortText | None = None
    email: Email | None = None
    address: ShortText | None = None
    address_2: ShortText | None = None
    city: ShortText | None = None
    state: ShortText | None = None
    zip: ShortText | None = None
    country: ShortText | None = None
    default_currency_code: Currency | None = None
    notes: Notes | None = None
    properties: JsonObject | None = Field(default=None, description="merged into those there are; null clears them")
    is_inactive: bool = False
