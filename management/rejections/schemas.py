"""A rejection as the API shows it, and which rejections are wanted."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from management.exports import ExportRequest
from management.log_pages import LogRequest
from management.log_texts import VALUES_MAX, Networks, RawRecord

Reason = Annotated[str, Field(min_length=1, max_length=64)]
Method = Annotated[str, Field(min_length=1, max_length=32)]


class RejectionConditions(BaseModel):
    """Filters of rejections: all have to fit; of a filter that is given several times one of its values."""

    webhook_id: list[UUID] = Field(default_factory=list, max_length=VALUES_MAX)
    reason: list[Reason] = Field(default_factory=list, max_length=VALUES_MAX)
    method: list[Method] = Field(default_factory=list, max_length=VALUES_MAX)
    source_ip: Networks = Field(default_factory=list)


class RejectionFilter(LogRequest, RejectionConditions):
    """Which rejections a list shows; the time window is of `rejected_at`: since ≤ t < until."""


class RejectionExport(ExportRequest, RejectionConditions):
    """Which rejections an export holds."""


RejectionExportQuery = Annotated[RejectionExport, Query()]


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


class RejectionDetail(Rejection):
    """The same by itself, with the place of its record in Kafka."""

    raw_record: RawRecord
