"""Comments on tickets as the API takes and shows them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from management.entities.schemas import EntityFilter, EntityInput, Time

Content = Annotated[str, StringConstraints(min_length=1, max_length=100_000, pattern=r"\S")]


class TicketCommentFilter(EntityFilter):
    """Which comments a list shows; the time window is of `created_at`: since ≤ t < until."""

    is_internal: bool | None = None


class TicketComment(BaseModel):
    """What a user, a contact or a webhook said on a ticket. An internal one is not for the client."""

    id: UUID
    ticket_id: UUID
    content: str
    author_type: Literal["user", "contact", "webhook"]
    user_id: UUID | None
    contact_id: UUID | None
    webhook_id: UUID | None
    delivery_id: UUID | None
    is_internal: bool
    is_resolution: bool
    created_at: Time


class TicketCommentCreateInput(EntityInput):
    """A new comment: of the contact if one is named, else of whoever calls."""

    content: Content
    contact_id: UUID | None = Field(default=None, description="the contact of the ticket's client who said it")
    user_id: UUID | None = Field(
        default=None,
        description="the user who said it: for API keys without a user, who cannot say anything themselves",
    )
    is_internal: bool | None = Field(
        default=None, description="whether the client must not see it; else true, but never for a contact's"
    )
    is_resolution: bool = Field(default=False, description="whether it tells the solution")
