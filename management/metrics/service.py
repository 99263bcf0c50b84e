"""The numbers of a tenant's time range."""

import math
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from infra.clickhouse import Row as Measured
from infra.clock import MICROSECONDS, rfc3339
from infra.postgres import Row
from infra.settings import SlaSettings
from management.errors import Problem, ValidationFailedError
from management.metrics.repository import BUCKET_SECONDS, MetricsRepository, Range
from management.metrics.schemas import (
    Bucket,
    Counts,
    DeliveryMetrics,
    Latency,
    MetricsRequest,
    Target,
    WebhookMetrics,
)
from management.paging import PageMeta, window_parameters

_DAY_SECONDS = 86_400
#: The longest range by the size of its buckets: 1,440 minutes, 8,784 hours.
_RANGE_DAYS_MAX = {"minute": 1, "hour": 366}
#: As long the rollups are kept (migrations/clickhouse).
_KEPT_DAYS = {"minute": 30, "hour": 400}
#: Up to here a range is cut into minutes unless something else is asked for.
_MINUTES_UP_TO_SECONDS = 3 * 3_600
_COUNTS = ("received", "dispatched", "duplicate", "filtered", "failed", "pending", "rejections", "body_bytes")


class MetricsService:
    """Reads only; a tenant sees its own numbers. `now_us` is the time in microseconds. Raises as the stores do."""

    def __init__(self, repository: MetricsRepository, sla: SlaSettings, now_us: Callable[[], int]) -> None:
        self._repository = repository
        self._targets = sla.by_priority
        self._now_us = now_us

    def measure(self, tenant_id: UUID, wanted: MetricsRequest) -> DeliveryMetrics:
        """Raises ValidationFailedError for a range that ends before it begins, is too long or too long ago."""
        asked_at_us = self._now_us()
        measured = _range(tenant_id, wanted, asked_at_us)
        uncounted, first_seconds = self._repository.uncounted(measured)
        total, found = self._repository.by_bucket(measured, buckets_max=_buckets_max(measured.bucket))
        until_us = measured.until_seconds * MICROSECONDS
        kept_us = asked_at_us - self._repository.rejection_days(tenant_id) * _DAY_SECONDS * MICROSECONDS
        return DeliveryMetrics(
            since=rfc3339(measured.since_seconds * MICROSECONDS),
            until=rfc3339(until_us),
            bucket=measured.bucket,
            counted_until=rfc3339(first_seconds * MICROSECONDS if uncounted else min(until_us, asked_at_us)),
            uncounted_minutes=uncounted,
            rejections_since=rfc3339(max(measured.since_seconds * MICROSECONDS, min(until_us, kept_us))),
            total=Counts(**_counts(total)),
            buckets=_buckets(measured, found, total),
            webhooks=self._webhooks(measured, wanted),
            meta=PageMeta(page=wanted.page, per_page=wanted.per_page, total=total["webhooks"]),
        )

    def _webhooks(self, measured: Range, wanted: MetricsRequest) -> list[WebhookMetrics]:
        offset = (wanted.page - 1) * wanted.per_page
        rows = {
            UUID(row["key"]): row for row in self._repository.by_webhook(measured, limit=wanted.per_page, offset=offset)
        }
        known = self._repository.webhooks(measured.tenant_id, list(rows)) if rows else {}
        return [self._webhook(webhook_id, row, known.get(webhook_id)) for webhook_id, row in rows.items()]

    def _webhook(self, webhook_id: UUID, row: Measured, known: Row | None) -> WebhookMetrics:
        if known is None:
            return WebhookMetrics(webhook_id=webhook_id, slug=None, sla=None, **_counts(row))
        priority = known["priority"]
        sla = Target(priority=priority, target_seconds=self._targets[priority], breaches=_late(row, priority))
        return WebhookMetrics(webhook_id=webhook_id, slug=known["slug"], sla=sla, **_counts(row))


def _late(row: Measured, priority: int) -> int:
    """A webhook that has only rejections has no array of late outcomes."""
    return row["late"][priority] if row["late"] else 0


def _range(tenant_id: UUID, wanted: MetricsRequest, now_us: int) -> Range:
    given = window_parameters(wanted)
    until_us = now_us if wanted.until is None else given["until_us"]
    since_us = max(0, until_us - _DAY_SECONDS * MICROSECONDS) if wanted.since is None else given["since_us"]
    if since_us >= until_us:
        raise ValidationFailedError([Problem("until", "the range ends before it begins")])
    short = until_us - since_us <= _MINUTES_UP_TO_SECONDS * MICROSECONDS
    bucket = wanted.bucket or ("minute" if short else "hour")
    if until_us - since_us > _RANGE_DAYS_MAX[bucket] * _DAY_SECONDS * MICROSECONDS:
        raise ValidationFailedError(
            [Problem("since", f"by {bucket}, a range is {_RANGE_DAYS_MAX[bucket]} days at most")]
        )
    if since_us < now_us - _KEPT_DAYS[bucket] * _DAY_SECONDS * MICROSECONDS:
        words = f"by {bucket}, numbers go back {_KEPT_DAYS[bucket]} days"
        raise ValidationFailedError([Problem("until" if wanted.since is None else "since", words)])
    seconds = BUCKET_SECONDS[bucket]
    since_seconds = since_us // MICROSECONDS // seconds * seconds
    until_seconds = ((until_us - 1) // MICROSECONDS // seconds + 1) * seconds
    return Range(tenant_id, wanted.webhook_id, bucket, since_seconds, until_seconds)


def _buckets_max(bucket: str) -> int:
    """A range that begins inside a bucket has one more than it is long."""
    return _RANGE_DAYS_MAX[bucket] * _DAY_SECONDS // BUCKET_SECONDS[bucket] + 1


def _buckets(measured: Range, found: Mapping[int, Measured], total: Measured) -> list[Bucket]:
    nothing = {**total, **dict.fromkeys(_COUNTS, 0), "took_quantiles_us": [math.nan] * 3}
    return [
        Bucket(at=rfc3339(at * MICROSECONDS), **_counts(found.get(at, nothing)))
        for at in range(measured.since_seconds, measured.until_seconds, measured.bucket_seconds)
    ]


def _counts(row: Measured) -> dict[str, Any]:
    ended = row["received"] - row["pending"]
    p50, p95, p99 = (None if math.isnan(took_us) else round(took_us / 1_000, 3) for took_us in row["took_quantiles_us"])
    return {
        **{name: row[name] for name in _COUNTS},
        "failure_rate": row["failed"] / ended if ended else None,
        "latency": Latency(p50_ms=p50, p95_ms=p95, p99_ms=p99),
    }
