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
from management.metrics.repository import MetricsRepository, Range
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
_BUCKET_SECONDS = {"minute": 60, "hour": 3_600}
#: The longest range by the size of its buckets: 1,440 minutes, 744 hours.
_RANGE_SECONDS_MAX = {"minute": _DAY_SECONDS, "hour": 31 * _DAY_SECONDS}
#: Up to here a range is cut into minutes unless something else is asked for.
_MINUTES_UP_TO_SECONDS = 3 * 3_600
_COUNTS = ("received", "dispatched", "duplicate", "filtered", "failed", "pending", "rejections", "body_bytes")


class MetricsService:
    """Reads only; a tenant sees its own numbers. `now_us` is the time in microseconds. Raises as the stores do."""

    def __init__(self, repository: MetricsRepository, sla: SlaSettings, now_us: Callable[[], int]) -> None:
        self._repository = repository
        self._targets = (sla.low_seconds, sla.normal_seconds, sla.high_seconds, sla.critical_seconds)
        self._now_us = now_us

    def measure(self, tenant_id: UUID, wanted: MetricsRequest) -> DeliveryMetrics:
        """Raises ValidationFailedError for a range that ends before it begins, or is too long."""
        since_us, until_us = self._window(wanted)
        bucket = wanted.bucket or ("minute" if until_us - since_us <= _MINUTES_UP_TO_SECONDS * MICROSECONDS else "hour")
        if until_us - since_us > _RANGE_SECONDS_MAX[bucket] * MICROSECONDS:
            days = _RANGE_SECONDS_MAX[bucket] // _DAY_SECONDS
            raise ValidationFailedError([Problem("since", f"by {bucket}, a range is {days} days at most")])
        targets_us = [int(seconds * MICROSECONDS) for seconds in self._targets]
        measured = Range(tenant_id, wanted.webhook_id, since_us, until_us, targets_us)
        total, found = self._repository.by_bucket(
            measured, bucket_seconds=_BUCKET_SECONDS[bucket], buckets_max=_buckets_max(bucket)
        )
        return DeliveryMetrics(
            since=rfc3339(since_us),
            until=rfc3339(until_us),
            bucket=bucket,
            total=Counts(**_counts(total)),
            buckets=_buckets(since_us, until_us, _BUCKET_SECONDS[bucket], found, total),
            webhooks=self._webhooks(measured, wanted),
            meta=PageMeta(page=wanted.page, per_page=wanted.per_page, total=total["webhooks"]),
        )

    def _window(self, wanted: MetricsRequest) -> tuple[int, int]:
        given = window_parameters(wanted)
        until_us = self._now_us() if wanted.until is None else given["until_us"]
        since_us = max(0, until_us - _DAY_SECONDS * MICROSECONDS) if wanted.since is None else given["since_us"]
        if since_us >= until_us:
            raise ValidationFailedError([Problem("until", "the range ends before it begins")])
        return since_us, until_us

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
        sla = Target(priority=priority, target_seconds=self._targets[priority], breaches=row["late"][priority])
        return WebhookMetrics(webhook_id=webhook_id, slug=known["slug"], sla=sla, **_counts(row))


def _buckets_max(bucket: str) -> int:
    """A range that begins inside a bucket has one more than it is long."""
    return _RANGE_SECONDS_MAX[bucket] // _BUCKET_SECONDS[bucket] + 1


def _buckets(
    since_us: int, until_us: int, seconds: int, found: Mapping[int, Measured], total: Measured
) -> list[Bucket]:
    nothing = {**total, **dict.fromkeys(_COUNTS, 0), "took_quantiles_us": [math.nan] * 3}
    first = since_us // MICROSECONDS // seconds * seconds
    last = (until_us - 1) // MICROSECONDS
    return [
        Bucket(at=rfc3339(at * MICROSECONDS), **_counts(found.get(at, nothing)))
        for at in range(first, last + 1, seconds)
    ]


def _counts(row: Measured) -> dict[str, Any]:
    ended = row["received"] - row["pending"]
    p50, p95, p99 = (None if math.isnan(took_us) else round(took_us / 1_000, 3) for took_us in row["took_quantiles_us"])
    return {
        **{name: row[name] for name in _COUNTS},
        "failure_rate": row["failed"] / ended if ended else None,
        "latency": Latency(p50_ms=p50, p95_ms=p95, p99_ms=p99),
    }
