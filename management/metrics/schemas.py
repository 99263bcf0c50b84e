"""The numbers of a time range as the API shows them."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from management.paging import PageMeta, PageRequest


class MetricsRequest(PageRequest):
    """Which time, since ≤ t < until, of `received_at` (of `rejected_at` for rejections), and of which webhook.

    It is widened to whole buckets. Without `until` it ends now, without `since` it begins 24 hours before its end.
    `bucket` is `minute` up to three hours and `hour` above, unless it is given.
    """

    webhook_id: UUID | None = None
    bucket: Literal["minute", "hour"] | None = None


class Latency(BaseModel):
    """From `received_at` to the outcome, over what has one; right within 1 %. Null where nothing has."""

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Counts(BaseModel):
    """Deliveries by how they stand now: `received` is the sum of the five below it. Tests and replays do not count.

    `rejections` were not accepted, so they are in none of the others. `failure_rate` is failed by all that have ended.
    """

    received: int
    dispatched: int
    duplicate: int
    filtered: int
    failed: int
    pending: int
    rejections: int
    failure_rate: float | None = Field(description="0 to 1; null: nothing has ended")
    body_bytes: int
    latency: Latency


class Bucket(Counts):
    """A minute or an hour, whole, as UTC counts them."""

    at: str = Field(description="its beginning: RFC 3339, UTC, milliseconds")


class Target(BaseModel):
    """How soon outcomes should come, by the webhook's priority as it is now, and how many came later.

    A breach is one of the target that was set for this priority when the delivery was counted.
    """

    priority: int
    target_seconds: float
    breaches: int


class WebhookMetrics(Counts):
    """One webhook. `slug` and `sla` are null of one that is gone."""

    webhook_id: UUID
    slug: str | None
    sla: Target | None


class DeliveryMetrics(BaseModel):
    """Everything of the range; `meta` is of `webhooks`. Buckets have no gaps.

    `total` has those rejections of the tenant, too, that name no webhook.
    """

    since: str = Field(description="where the first bucket begins: RFC 3339, UTC, milliseconds")
    until: str = Field(description="where the last bucket ends")
    bucket: Literal["minute", "hour"]
    counted_until: str = Field(description="what was received before is all counted, as the delivery log has it now")
    uncounted_minutes: int = Field(description="minutes of webhooks that will be counted, or counted again, in seconds")
    rejections_since: str = Field(description="earlier rejections of the range are no longer kept, and not counted")
    total: Counts
    buckets: list[Bucket]
    webhooks: list[WebhookMetrics]
    meta: PageMeta
