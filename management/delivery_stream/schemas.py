"""What a listener asks for, and a change as it is sent."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from infra.clock import rfc3339
from schemas.records import DeliveryError, DeliveryRecord, DispatchStatus


class WebhookStreamFilter(BaseModel):
    """Which changes of a webhook are sent."""

    dispatch_status: DispatchStatus | None = None


class StreamFilter(WebhookStreamFilter):
    """The same of all webhooks, or of one."""

    webhook_id: UUID | None = None


class DeliveryChange(BaseModel):
    """One change of a delivery's state; the request itself is at GET /deliveries/{delivery_id}."""

    delivery_id: str
    webhook_id: str
    received_at: str
    recorded_at: str
    stage: Literal["processors", "actions", "workflows"]
    dispatch_status: DispatchStatus
    handler_outcome: dict[str, Any] | None
    error: DeliveryError | None
    duplicate_of: str | None
    attempts: int
    is_test: bool
    replay_id: str | None
    trace_id: str | None


def change_of(record: DeliveryRecord) -> DeliveryChange:
    """What is sent of a record."""
    return DeliveryChange(
        **record.model_dump(include=set(DeliveryChange.model_fields) - {"received_at", "recorded_at", "error"}),
        received_at=rfc3339(record.received_at),
        recorded_at=rfc3339(record.recorded_at),
        error=record.error,
    )
