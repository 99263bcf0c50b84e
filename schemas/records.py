"""Values of every topic but the raw ones, as frozen models. JSON is snake_case; times are microseconds since the epoch.

Hot paths write the same JSON with orjson; the contract tests hold both to these models and to `schemas/examples/`.
"""

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Record(BaseModel):
    """Base of all record values: immutable, unknown members refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DispatchStatus(StrEnum):
    """Where a delivery stands; `pending` is left exactly once."""

    PENDING = "pending"
    DISPATCHED = "dispatched"
    DUPLICATE = "duplicate"
    FILTERED = "filtered"
    FAILED = "failed"


class ErrorCode(StrEnum):
    """Why a delivery failed."""

    MAPPING_FAILED = "MAPPING_FAILED"
    VALIDATION_ERROR = "VALIDATION_ERROR"
    LOOKUP_MISS = "LOOKUP_MISS"
    CONFLICT = "CONFLICT"
    ACTION_UNKNOWN = "ACTION_UNKNOWN"
    WORKFLOW_UNAVAILABLE = "WORKFLOW_UNAVAILABLE"
    INVALID_JSON = "INVALID_JSON"
    TIMEOUT = "TIMEOUT"
    INTERNAL = "INTERNAL"


#: What a delivery is handed to: an action, or a run of a workflow.
Handler = Literal["action", "workflow"]


class DeliveryError(Record):
    """`message` names the field, the expression and the cause; `path` is `field_mapping.FIELD` or null."""

    code: ErrorCode
    message: str
    path: str | None = None


class RequestFacts(Record):
    """JSON of the header `hookline-request`: the request without its body. Header names are lower-case.

    `invalid_json` marks a verified request that was answered 400: it is kept and recorded, never mapped.
    `redact_paths` are the webhook's at the time; whoever shows the body masks them, and nobody changes the record.
    `priority` is the webhook's at the time; None in records of releases before it.
    """

    method: str
    path: str
    query: dict[str, str] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    source_ip: str
    user_agent: str | None = None
    content_type: str | None = None
    ingress_us: int = 0
    invalid_json: bool = False
    redact_paths: list[str] = Field(default_factory=list)
    priority: int | None = Field(default=None, ge=0, le=3)


class Origin(Record):
    """Where a record came from. `incarnation` is the topic's id, which changes when a topic is made anew."""

    topic: str
    partition: int
    offset: int
    incarnation: str


class ActionRequest(Record):
    """Value of actions.action.requested.v1. `fields` are coerced; a member that is null clears the field.

    `release_key` (hex of the dedupe entry's key) is forgotten when the action fails for good; null: nothing to forget.
    `warnings` are what validation in the mode warn and enrichment found; they are shown in the outcome. `metadata` is
    what enrichment made, handed on to the delivery's record. Of a replay `replayed_from` is the origin.
    """

    delivery_id: str
    tenant_id: str
    webhook_id: str
    webhook_slug: str
    config_version: int
    received_at: int
    action: str
    fields: dict[str, Any]
    options: dict[str, Any] = Field(default_factory=dict)
    origin: Origin
    release_key: str | None = None
    replay_id: str | None = None
    replayed_from: str | None = None
    is_test: bool = False
    hops: int = 0
    priority: int = Field(default=1, ge=0, le=3)
    warnings: list[str] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)


class DeliveryRecord(Record):
    """Value of webhooks.delivery.recorded.v1: one change of a delivery's state. Key: the delivery id.

    `handler` is what the webhook asks for, `action` the action's name where that is one; both are None where the
    webhook is unknown by now. `action_requested_at` is when processors asked for the action that ended it, to the
    millisecond; None where none did.
    """

    delivery_id: str
    tenant_id: str
    webhook_id: str
    received_at: int
    recorded_at: int
    stage: Literal["processors", "actions", "workflows"]
    dispatch_status: DispatchStatus
    handler_outcome: dict[str, Any] | None = None
    error: DeliveryError | None = None
    duplicate_of: str | None = None
    attempts: int = 1
    replay_id: str | None = None
    replayed_from: str | None = None
    is_test: bool = False
    trace_id: str | None = None
    metadata: dict[str, Any] | None = None
    handler: Handler | None = None
    action: str | None = None
    action_requested_at: int | None = None


class KeyReleased(Record):
    """Value of webhooks.key.released.v1. Key: the dedupe entry's 16 bytes; partition: the request's own."""

    delivery_id: str
    tenant_id: str
    webhook_id: str
    released_at: int
    reason: str


class RejectionRecord(Record):
    """Value of webhooks.request.rejected.v1: a request that was not accepted; never a body, never a secret.

    `count` > 1: this record stands for so many alike (same reason, webhook and address) of the same second.
    """

    rejection_id: str
    rejected_at: int
    tenant_id: str | None = None
    webhook_id: str | None = None
    method: str
    path: str
    headers: dict[str, str] = Field(default_factory=dict)
    source_ip: str
    user_agent: str | None = None
    reason: str
    count: int = 1


class AttestedRequests(Record):
    """What a receiver had acknowledged of one tenant, of one hour of `received_at` (its start), in one partition.

    `accepted` were answered 200, `invalid_json` 400; of `late` ones the sender had been told 503 before. `offsets` are
    the first and last of each run, of those that the broker named. `digest` is the sum of the delivery ids' last 48
    bits, modulo 2^64: two sets of as many requests differ in it.
    """

    tenant_id: str
    hour: int
    topic: str
    partition: int
    accepted: int
    invalid_json: int
    late: int
    digest: int
    offsets: list[int]


class Attestation(Record):
    """Value of webhooks.request.accepted.v1: everything acknowledged to one receiver since its last one.

    Key: `instance_id`, which is new whenever a receiver starts. With `sequence` it names the record: one that was
    published again is the same.
    """

    instance_id: str
    sequence: int
    attested_at: int
    entries: list[AttestedRequests]


class EventActor(Record):
    """Who made a change: a webhook by its action, a caller of the API, or Hookline itself (`system`, the nil UUID)."""

    type: Literal["webhook", "user", "api_key", "system"]
    id: str
    name: str


class FieldChange(Record):
    """A field of an entity before and after."""

    previous: Any
    new: Any


class DomainEvent(Record):
    """Value of domain.event.occurred.v1: something happened to an entity. Key: tenant id, a slash, entity id.

    `occurred_at` is RFC 3339 in UTC, as all times inside `data`, which is the entity after it. `causation_id` is the
    delivery or the API's request that led to it, `replayed_from` what that delivery is a replay of; `hops` counts our
    own actions on the way, this one included.
    `schemas/events` has the schema of each core type; other packages' actions have types of their own.
    """

    event_id: str
    type: str
    occurred_at: str
    tenant_id: str
    entity_type: str
    entity_id: str
    actor: EventActor
    causation_id: str
    replayed_from: str | None = None
    hops: int
    data: dict[str, Any]
    changes: dict[str, FieldChange]


class DeadLetter(Record):
    """JSON of the header `hookline-dead-letter`; the record's key, value and other headers are the original's."""

    stage: str
    code: ErrorCode
    message: str
    origin: Origin
    failed_at: int
