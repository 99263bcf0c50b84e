"""Which deliveries are wanted: the query parameters of lists and exports."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field, field_validator

from infra.requests.paths import PATH_LENGTH_MAX, compile_path
from management.exports import ExportRequest
from management.log_pages import LogRequest
from management.log_texts import VALUES_MAX, Networks
from schemas.records import DispatchStatus, ErrorCode, Handler

AuthStatus = Literal[
    "verified",
    "rejected_signature",
    "rejected_bearer",
    "rejected_ip",
    "rejected_no_auth",
    "rejected_timestamp",
]
BodyOperator = Literal[
    "equals",
    "not_equals",
    "contains",
    "not_contains",
    "starts_with",
    "ends_with",
    "greater_than",
    "less_than",
    "exists",
    "not_exists",
]
_TEXT_LENGTH_MAX = 1_024
_MILLISECONDS_MAX = 10**12

Text = Annotated[str, Field(min_length=1, max_length=_TEXT_LENGTH_MAX)]
Milliseconds = Annotated[int, Field(ge=0, le=_MILLISECONDS_MAX)]


class DeliveryConditions(BaseModel):
    """Filters of deliveries: all have to fit; of a filter that is given several times one of its values.

    `handler`, `action` and `error_code` are known once a delivery is no longer pending. Texts are compared as they are,
    in the case of their letters. `body_contains` looks at the bytes of the body, `body_path` at the value it leads to.
    """

    dispatch_status: list[DispatchStatus] = Field(default_factory=list, max_length=VALUES_MAX)
    auth_status: list[AuthStatus] = Field(default_factory=list, max_length=VALUES_MAX)
    error_code: list[ErrorCode] = Field(default_factory=list, max_length=VALUES_MAX)
    priority: list[Annotated[int, Field(ge=0, le=3)]] = Field(default_factory=list, max_length=VALUES_MAX)
    handler: list[Handler] = Field(default_factory=list, max_length=VALUES_MAX)
    action: list[Text] = Field(default_factory=list, max_length=VALUES_MAX)
    entity_type: Text | None = None
    entity_id: UUID | None = None
    source_ip: Networks = Field(default_factory=list)
    duration_ms_min: Milliseconds | None = Field(default=None, description="this or longer, to the outcome")
    duration_ms_max: Milliseconds | None = Field(default=None, description="this or shorter")
    is_replay: bool | None = None
    is_test: bool | None = None
    idempotency_key: Text | None = None
    duplicate_of: UUID | None = None
    replayed_from: UUID | None = None
    replay_id: UUID | None = Field(default=None, description="of a replay job, or of a single replay")
    trace_id: Text | None = None
    body_contains: Text | None = None
    body_path: str | None = Field(
        default=None, min_length=1, max_length=PATH_LENGTH_MAX, description="such as $.device.name or $.alerts[*].id"
    )
    body_op: BodyOperator = Field(default="equals", description="of the value at body_path")
    body_value: str | None = Field(default=None, max_length=_TEXT_LENGTH_MAX)

    @field_validator("body_path")
    @classmethod
    def _check_path(cls, text: str | None) -> str | None:
        if text is not None:
            compile_path(text)
        return text


class WebhookDeliveryFilter(LogRequest, DeliveryConditions):
    """Which deliveries of a webhook a list shows; the time window is of `received_at`: since ≤ t < until."""


class DeliveryFilter(WebhookDeliveryFilter):
    """The same of all webhooks, or of some."""

    webhook_id: list[UUID] = Field(default_factory=list, max_length=VALUES_MAX)


class DeliveryExport(ExportRequest, DeliveryConditions):
    """What an export holds, and how much of each body: nothing, its first 1,024 bytes, or all of it."""

    bodies: Literal["none", "head", "whole"] = "head"
    webhook_id: list[UUID] = Field(default_factory=list, max_length=VALUES_MAX)


DeliveryExportQuery = Annotated[DeliveryExport, Query()]
