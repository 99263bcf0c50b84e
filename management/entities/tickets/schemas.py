"""Tickets as the API takes and shows them."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from management.entities.schemas import (
    EntityFilter,
    EntityShown,
    ExternalId,
    JsonObject,
    LongText,
    MappedInput,
    Search,
    StoredMoment,
    Time,
    Title,
)
from management.patching import PatchInput

_ASSETS_MAX = 100
AssetIds = Annotated[list[UUID], Field(max_length=_ASSETS_MAX, description="assets of the client")]


class TicketFilter(EntityFilter):
    """Which tickets a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a title or a number")
    client_id: UUID | None = None
    board_id: UUID | None = None
    status_id: UUID | None = None
    assigned_to: UUID | None = None
    is_closed: bool | None = None
    external_id: ExternalId | None = Field(default=None, description="a sender's id of the ticket")
    webhook_id: UUID | None = Field(default=None, description="the webhook whose external ids are meant; else of any")


class Ticket(EntityShown):
    """A ticket. It is closed, and has a time of closing, exactly while its status is.

    `webhook_id`, `delivery_id` and `trace_id` say where it came from, if an action made it.
    """

    number: int
    title: str
    description: str | None
    client_id: UUID
    board_id: UUID
    status_id: UUID
    is_closed: bool
    priority_id: UUID | None
    category_id: UUID | None
    subcategory_id: UUID | None
    location_id: UUID | None
    contact_id: UUID | None
    assigned_to: UUID | None
    assigned_team_id: UUID | None
    due_date: Time | None
    attributes: dict[str, Any]
    asset_ids: list[UUID]
    source: Literal["webhook", "api", "workflow"]
    webhook_id: UUID | None
    delivery_id: UUID | None
    trace_id: str | None
    closed_at: Time | None


class TicketCreateInput(MappedInput):
    """A new ticket."""

    title: Title
    description: LongText | None = None
    client_id: UUID
    board_id: UUID | None = Field(default=None, description="else the default board")
    status_id: UUID | None = Field(default=None, description="a status of the board; else its default")
    priority_id: UUID | None = Field(default=None, description="else the board's, else the default priority")
    category_id: UUID | None = Field(default=None, description="a category of the board, or one of all boards")
    subcategory_id: UUID | None = Field(default=None, description="a subcategory of the category")
    location_id: UUID | None = Field(default=None, description="a location of the client")
    contact_id: UUID | None = Field(default=None, description="a contact of the client")
    assigned_to: UUID | None = Field(default=None, description="a user")
    assigned_team_id: UUID | None = None
    due_date: StoredMoment | None = None
    attributes: JsonObject = Field(default_factory=dict, description="free members, 64 KiB at most")
    asset_ids: AssetIds = Field(default_factory=list)


class TicketUpdateInput(PatchInput):
    """What to change of a ticket.

    On another board it gets the status of the same name, else the default one, unless one is named. A category,
    location or contact that no longer fits is cleared, and assets of another client are let go, unless they are named.
    """

    title: Title = ""
    description: LongText | None = None
    client_id: UUID = UUID(int=0)
    board_id: UUID = UUID(int=0)
    status_id: UUID = UUID(int=0)
    priority_id: UUID | None = None
    category_id: UUID | None = None
    subcategory_id: UUID | None = None
    location_id: UUID | None = None
    contact_id: UUID | None = None
    assigned_to: UUID | None = None
    assigned_team_id: UUID | None = None
    due_date: StoredMoment | None = None
    attributes: JsonObject | None = Field(default=None, description="merged into those there are; null clears them")
    asset_ids: AssetIds = Field(default_factory=list, description="replace those there are")
