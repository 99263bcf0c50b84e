"""A rejection as the API shows it."""

from uuid import UUID

from pydantic import BaseModel, Field

from management.paging import PageRequest


class RejectionFilter(PageRequest):
    """Which rejections a list shows; the time window is of `rejected_at`: since ≤ t < until."""

    webhook_id: UUID | None = None
    reason: str | None = Field(default=None, min_length=1, max_length=64)


class Rejection(BaseModel):
    """A request that was not accepted, without its body. `count` > 1: so many alike within one second.

    `explanation` says what `reason` means, for the webhook as it is configured now where the caller may read that.
    """

    rejection_id: UUID
    rejected_at: str = Field(description="RFC 3339, UTC, milliseconds")
    webhook_id: UUID | None
    method: str
    path: str
    headers: dict[str, str]
    source_ip: str
    user_agent: str | None
    reason: str
    explanation: str
    count: int
