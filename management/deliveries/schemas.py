"""A delivery as the API shows it."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from management.log_texts import RawRecord
from management.replaying.selections import ReplayMode
from schemas.records import DispatchStatus, ErrorCode, Handler


class DeliveredRequest(BaseModel):
    """The request. In lists `body` is its first 1,024 bytes; once its retention ended that is all there is.

    `body_redacted`: something in it is masked, by the webhook's `redact_paths` or because of its name.
    """

    method: str | None
    path: str | None
    query: dict[str, str]
    headers: dict[str, str]
    body: str | None
    body_encoding: Literal["text", "base64"]
    body_bytes: int | None
    body_truncated: bool
    body_redacted: bool
    content_type: str | None


class UserAgent(BaseModel):
    """The header as it came, and what it says; null for what it does not."""

    raw: str | None
    browser: str | None
    os: str | None
    device: str | None


class ShownLocation(BaseModel):
    """Where the sender's address is, as the operator's file of locations says."""

    country_code: str | None = Field(description="ISO 3166-1 alpha-2")
    country: str | None
    region: str | None
    city: str | None
    latitude: float | None
    longitude: float | None
    time_zone: str | None
    asn: int | None
    organisation: str | None


class ShownError(BaseModel):
    """Why a delivery failed."""

    code: ErrorCode
    message: str
    path: str | None


class InboundWebhookDelivery(BaseModel):
    """One accepted request and what became of it. Request members are null while its record is on its way."""

    delivery_id: UUID
    tenant_id: UUID
    webhook_id: UUID
    webhook_slug: str | None
    config_version: int | None
    received_at: str = Field(description="RFC 3339, UTC, milliseconds")
    idempotency_key: str | None
    request: DeliveredRequest
    source_ip: str | None
    user_agent: UserAgent
    location: ShownLocation | None = Field(description="null: no file of locations, or a private address")
    metadata: dict[str, Any] = Field(description="fixed members of the webhook, and what its enrichment made")
    auth_status: Literal["verified"] = "verified"
    dispatch_status: DispatchStatus
    handler: Handler | None = Field(description="null while pending, and where the webhook was unknown by then")
    action: str | None
    handler_outcome: dict[str, Any] | None
    error: ShownError | None
    duplicate_of: UUID | None
    response_status: int | None
    ingress_ms: float | None
    duration_ms: float | None = Field(description="from received_at to the outcome")
    attempts: int
    priority: int | None = Field(description="the webhook's when the request came; null: kept by an earlier release")
    is_replay: bool
    replayed_from: str | None
    replay_id: str | None
    is_test: bool
    erased_at: str | None = Field(
        default=None, description="when its body, and maybe more of it, was deleted: see /erasures"
    )
    trace_id: str | None


class RelatedDelivery(BaseModel):
    """Another delivery, as far as a link needs it. Status and time are null where it is no longer in the log."""

    delivery_id: UUID
    received_at: str | None
    dispatch_status: DispatchStatus | None


class Stage(BaseModel):
    """When something happened to a delivery. `status` is what it was then; null: it was still pending."""

    stage: Literal["received", "accepted", "processed", "handled"]
    at: str = Field(description="RFC 3339, UTC, milliseconds")
    after_ms: float = Field(description="since received_at")
    status: DispatchStatus | None


class ChangedEntity(BaseModel):
    """What the action found or made. `path` is under /api/v1; null for a kind that the API does not show."""

    type: str
    id: UUID
    path: str | None


class ShownReplay(BaseModel):
    """Who had this delivery made as a replay, and why.

    `change` is there for a patch: its operations, with `***` for their values where anything of the body is masked. It
    goes when the body goes.
    """

    mode: ReplayMode
    replayed_by: dict[str, Any]
    replayed_at: str = Field(description="RFC 3339, UTC, milliseconds")
    reason: str | None
    change_kind: Literal["body", "patch"] | None = Field(description="null: the body is the origin's, byte for byte")
    change: list[dict[str, Any]] | None


class DeliveryDetail(InboundWebhookDelivery):
    """A delivery with its whole body, and everything that is known about it.

    `accepted` in `timeline` is when the proof was found good and the record was handed to Kafka, whose answer is what
    the sender then waited for. `duplicates` and `replays` are the oldest 100 together; `related_is_complete` is false
    where there may be more.
    """

    timeline: list[Stage]
    entity: ChangedEntity | None
    workflow_run_id: UUID | None
    first_delivery: RelatedDelivery | None = Field(description="the one that this duplicates")
    duplicates: list[RelatedDelivery]
    replay_origin: RelatedDelivery | None = Field(description="the one that this replays")
    replays: list[RelatedDelivery]
    replay: ShownReplay | None = Field(description="null: it is no replay, or one of a job")
    related_is_complete: bool
    raw_record: RawRecord | None = Field(description="null while the request's record is on its way")
