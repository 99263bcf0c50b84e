"""GET /metrics against what was written: every number of a range is the one that counting by hand gives."""

from __future__ import annotations

import math
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from infra.clickhouse import ClickHouse
from infra.clock import MICROSECONDS, now_us, rfc3339
from schemas.headers import Replay
from schemas.records import DispatchStatus
from sinks.clickhouse.core.outcomes import build_outcomes
from sinks.clickhouse.core.rejections import build_rejections
from sinks.clickhouse.core.requests import build_requests
from sinks.clickhouse.core.rows import Rows, Source
from sinks.clickhouse.rollups import Rollups
from sinks.clickhouse.writer import BatchWriter
from tests.support.analytics import delivery_ids, outcome_record, rejection_record, request_record
from tests.support.management import ManagementBase, bearer, make_tenant
from tests.support.rollups import count_all
from tests.support.webhooks import create_webhook

Json = dict[str, Any]
MINUTE, HOUR, DAY = 60, 3_600, 86_400
#: A full hour, three days ago: rejections are kept for fourteen.
BEGIN = now_us() // MICROSECONDS // HOUR * HOUR - 3 * DAY
BODIES = (b"{}", b'{"a":1}', b'{"alert":{"id":1}}')
STATUSES = (
    DispatchStatus.DISPATCHED,
    DispatchStatus.FAILED,
    DispatchStatus.DUPLICATE,
    DispatchStatus.FILTERED,
    DispatchStatus.DISPATCHED,
)


@dataclass(frozen=True)
class Made:
    """A delivery as it was written; `took_us` and `status` are None while it is pending."""

    webhook_id: str
    at_us: int
    body_bytes: int
    status: str | None
    took_us: int


@dataclass(frozen=True)
class Truth:
    """Two webhooks of a tenant: one with priority 3, one that is gone."""

    urgent_id: str
    gone_id: str
    deliveries: Sequence[Made]
    rejections: int
    unknown_rejections: int


@pytest.fixture(scope="module")
def truth(management_base: ManagementBase, clickhouse_engine: ClickHouse) -> Truth:
    """300 deliveries over two hours; a test, a replay, another tenant's and one too early are not to be counted."""
    tenant_id = str(management_base.tenant.id)
    urgent_id, gone_id = create_webhook(management_base, "measured", priority=3)["id"], str(uuid.uuid4())
    made = [
        Made(
            webhook_id=urgent_id if number % 3 else gone_id,
            at_us=(BEGIN + number * 23) * MICROSECONDS,
            body_bytes=len(BODIES[number % 3]),
            status=None if number % 7 == 0 else STATUSES[number % 5].value,
            took_us=number * 37_000,
        )
        for number in range(300)
    ]
    ids = delivery_ids(len(made), BEGIN * MICROSECONDS)
    requests = [
        request_record(i, one.at_us, BODIES[n % 3], tenant_id=tenant_id, webhook_id=one.webhook_id)
        for n, (i, one) in enumerate(zip(ids, made, strict=True))
    ]
    outcomes = [
        outcome_record(
            *(i, one.at_us),
            tenant_id=tenant_id,
            webhook_id=one.webhook_id,
            dispatch_status=DispatchStatus(one.status),
            recorded_at=one.at_us + one.took_us,
        )
        for i, one in zip(ids, made, strict=True)
        if one.status is not None
    ]
    of = {"tenant_id": tenant_id, "webhook_id": urgent_id}
    uncounted = iter(delivery_ids(4, BEGIN * MICROSECONDS))
    requests += [
        request_record(next(uncounted), BEGIN * MICROSECONDS, is_test=True, **of),
        request_record(next(uncounted), BEGIN * MICROSECONDS, replay=Replay("r", "t:0:1", "fill", 1), **of),
        request_record(next(uncounted), (BEGIN - 1) * MICROSECONDS, **of),
        request_record(next(uncounted), BEGIN * MICROSECONDS, tenant_id=str(management_base.other_tenant.id)),
    ]
    refused = iter(delivery_ids(4, BEGIN * MICROSECONDS))
    rejections = [
        rejection_record(next(refused), BEGIN * MICROSECONDS, count=5, **of),
        rejection_record(next(refused), (BEGIN + HOUR) * MICROSECONDS, count=2, **of),
        rejection_record(next(refused), BEGIN * MICROSECONDS, tenant_id=tenant_id, webhook_id=None, count=4),
        rejection_record(next(refused), (BEGIN + 3 * HOUR) * MICROSECONDS, **of),
    ]
    run = uuid.uuid4().hex
    write(clickhouse_engine, build_requests(requests, Source("r", run, 0)), Source("r", run, 0))
    write(clickhouse_engine, build_outcomes(outcomes, Source("o", run, 0)), Source("o", run, 0))
    # Met again after a crash, in another insert: still one outcome each.
    write(clickhouse_engine, build_outcomes(outcomes[:40], Source("o", run, 1)), Source("o", run, 1))
    write(clickhouse_engine, build_rejections(rejections, Source("j", run, 0)), Source("j", run, 0))
    count_all(Rollups(clickhouse_engine, management_base.settings.sla))
    return Truth(urgent_id, gone_id, made, rejections=7, unknown_rejections=4)


def write(clickhouse: ClickHouse, rows: list[Rows], source: Source) -> None:
    BatchWriter(clickhouse).write(rows, source, 0, 1_000)


def asked(base: ManagementBase, since: int = BEGIN, until: int = BEGIN + 2 * HOUR, **parameters: Any) -> Json:
    window = {"since": rfc3339(since * MICROSECONDS), "until": rfc3339(until * MICROSECONDS)}
    answer = base.call("GET", "/metrics", params={**window, **parameters})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def agrees(shown: Json, deliveries: Sequence[Made], rejections: int) -> None:
    """Counts are exact, latencies within 1 %."""
    by_status = Counter(one.status or "pending" for one in deliveries)
    ended = [one for one in deliveries if one.status is not None]
    assert shown["received"] == len(deliveries)
    for status in ("dispatched", "duplicate", "filtered", "failed", "pending"):
        assert shown[status] == by_status[status], status
    assert shown["rejections"] == rejections
    assert shown["body_bytes"] == sum(one.body_bytes for one in deliveries)
    assert shown["failure_rate"] == (by_status["failed"] / len(ended) if ended else None)
    took = sorted(one.took_us / 1_000 for one in ended)
    for name, level in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
        if not took:
            assert shown["latency"][name] is None
            continue
        place = level * (len(took) - 1)
        low, high = took[math.floor(place)], took[math.ceil(place)]
        assert low * 0.98 <= shown["latency"][name] <= high * 1.02, name


def test_a_range_is_counted_in_all_and_by_webhook(management_base: ManagementBase, truth: Truth) -> None:
    shown = asked(management_base)
    agrees(shown["total"], truth.deliveries, truth.rejections + truth.unknown_rejections)
    urgent, gone = shown["webhooks"]
    assert (urgent["webhook_id"], urgent["slug"], gone["webhook_id"]) == (truth.urgent_id, "measured", truth.gone_id)
    agrees(urgent, [one for one in truth.deliveries if one.webhook_id == truth.urgent_id], truth.rejections)
    agrees(gone, [one for one in truth.deliveries if one.webhook_id == truth.gone_id], 0)
    assert shown["meta"] == {"page": 1, "per_page": 25, "total": 2}


def test_breaches_are_those_of_the_webhooks_priority(management_base: ManagementBase, truth: Truth) -> None:
    target = management_base.settings.sla.critical_seconds
    late = [
        one
        for one in truth.deliveries
        if one.webhook_id == truth.urgent_id and one.status is not None and one.took_us > target * MICROSECONDS
    ]
    urgent, gone = asked(management_base)["webhooks"]
    assert late
    assert urgent["sla"] == {"priority": 3, "target_seconds": target, "breaches": len(late)}
    assert (gone["slug"], gone["sla"]) == (None, None)


def test_a_webhook_that_only_refused_has_no_breaches(management_base: ManagementBase, truth: Truth) -> None:
    [only] = asked(management_base, since=BEGIN + 3 * HOUR, until=BEGIN + 4 * HOUR)["webhooks"]
    assert (only["webhook_id"], only["received"], only["rejections"]) == (truth.urgent_id, 0, 1)
    assert only["sla"]["breaches"] == 0


@pytest.mark.parametrize(("bucket", "seconds"), [("minute", MINUTE), ("hour", HOUR)])
def test_buckets_have_no_gaps_and_add_up(
    management_base: ManagementBase, truth: Truth, bucket: str, seconds: int
) -> None:
    shown = asked(management_base, bucket=bucket)
    assert [one["at"] for one in shown["buckets"]] == [
        rfc3339(at * MICROSECONDS) for at in range(BEGIN, BEGIN + 2 * HOUR, seconds)
    ]
    for place, one in enumerate(shown["buckets"]):
        begin_us = (BEGIN + place * seconds) * MICROSECONDS
        within = [made for made in truth.deliveries if begin_us <= made.at_us < begin_us + seconds * MICROSECONDS]
        agrees(one, within, {0: 9, HOUR: 2}.get(place * seconds, 0))


def test_a_range_is_widened_to_whole_buckets_and_says_so(management_base: ManagementBase, truth: Truth) -> None:
    shown = asked(management_base, since=BEGIN + 90, until=BEGIN + HOUR + 1, bucket="hour")
    assert (shown["since"], shown["until"]) == (
        rfc3339(BEGIN * MICROSECONDS),
        rfc3339((BEGIN + 2 * HOUR) * MICROSECONDS),
    )
    agrees(shown["total"], truth.deliveries, truth.rejections + truth.unknown_rejections)


def test_what_is_not_counted_yet_is_said(management_base: ManagementBase, clickhouse_engine: ClickHouse) -> None:
    tenant = make_tenant(management_base.dsn, f"fresh-{uuid.uuid4().hex[:6]}")
    at_us, end = (BEGIN + 90) * MICROSECONDS, BEGIN + HOUR
    window = {"since": rfc3339((BEGIN - 20 * DAY) * MICROSECONDS), "until": rfc3339(end * MICROSECONDS)}
    source = Source("f", uuid.uuid4().hex, 0)
    [delivery_id] = delivery_ids(1, at_us)
    write(
        clickhouse_engine,
        build_requests([request_record(delivery_id, at_us, tenant_id=str(tenant.id))], source),
        source,
    )

    def told() -> tuple[Any, ...]:
        shown = management_base.call("GET", "/metrics", params=window, headers=tenant.headers).json()
        return shown["total"]["received"], shown["uncounted_minutes"], shown["counted_until"]

    assert told() == (0, 1, rfc3339((BEGIN + MINUTE) * MICROSECONDS))
    count_all(Rollups(clickhouse_engine, management_base.settings.sla))
    assert told() == (1, 0, window["until"])


def test_it_is_said_from_when_on_rejections_are_kept(management_base: ManagementBase) -> None:
    tenant = make_tenant(management_base.dsn, f"keeps-{uuid.uuid4().hex[:6]}")
    window = {"since": rfc3339((BEGIN - 20 * DAY) * MICROSECONDS), "until": rfc3339(BEGIN * MICROSECONDS)}

    def since() -> str:
        shown: Json = management_base.call("GET", "/metrics", params=window, headers=tenant.headers).json()
        return str(shown["rejections_since"])

    assert rfc3339((BEGIN - 12 * DAY) * MICROSECONDS) < since() < rfc3339((BEGIN - 10 * DAY) * MICROSECONDS)
    for days, expected in ((30, window["since"]), (1, window["until"])):
        management_base.write("UPDATE tenants SET rejection_retention_days = %s WHERE id = %s", (days, tenant.id))
        assert since() == expected


def test_one_webhook_is_measured_alone_and_pages_go_on(management_base: ManagementBase, truth: Truth) -> None:
    alone = asked(management_base, webhook_id=truth.gone_id)
    agrees(alone["total"], [one for one in truth.deliveries if one.webhook_id == truth.gone_id], 0)
    assert alone["meta"]["total"] == 1
    second = asked(management_base, per_page=1, page=2)
    assert [one["webhook_id"] for one in second["webhooks"]] == [truth.gone_id]
    agrees(second["total"], truth.deliveries, truth.rejections + truth.unknown_rejections)


def test_a_range_without_anything_is_zeros(management_base: ManagementBase, truth: Truth) -> None:
    shown = asked(management_base, since=BEGIN - 10 * DAY, until=BEGIN - 9 * DAY)
    agrees(shown["total"], [], 0)
    assert (shown["bucket"], len(shown["buckets"]), shown["webhooks"]) == ("hour", 24, [])
    assert truth.deliveries


def test_without_a_range_it_is_the_last_day(management_base: ManagementBase) -> None:
    shown = management_base.call("GET", "/metrics").json()
    assert (shown["bucket"], len(shown["buckets"])) == ("hour", 25)


@pytest.mark.parametrize(
    ("since", "until", "bucket", "path"),
    [
        (BEGIN, BEGIN, "hour", "until"),
        (BEGIN, BEGIN + 366 * DAY + 1, "hour", "since"),
        (BEGIN, BEGIN + DAY + 1, "minute", "since"),
        (BEGIN - 398 * DAY, BEGIN - 390 * DAY, "hour", "since"),
        (BEGIN - 28 * DAY, BEGIN - 28 * DAY + HOUR, "minute", "since"),
    ],
)
def test_a_range_that_is_none_or_too_long_or_too_long_ago_is_refused(
    management_base: ManagementBase, since: int, until: int, bucket: str, path: str
) -> None:
    window = {"since": rfc3339(since * MICROSECONDS), "until": rfc3339(until * MICROSECONDS), "bucket": bucket}
    answer = management_base.call("GET", "/metrics", params=window)
    assert answer.status_code == 400
    assert [detail["path"] for detail in answer.json()["error"]["details"]] == [path]


def test_numbers_are_a_permission_of_their_own_and_another_tenant_sees_none(
    management_base: ManagementBase, truth: Truth
) -> None:
    window = {"since": rfc3339(BEGIN * MICROSECONDS), "until": rfc3339((BEGIN + HOUR) * MICROSECONDS)}

    def call(headers: dict[str, str]) -> Any:
        return management_base.call("GET", "/metrics", params=window, headers=headers)

    assert call(bearer(management_base.new_key("metric:read"))).json()["total"]["received"] > 0
    denied = call(bearer(management_base.new_key("delivery:read")))
    assert (denied.status_code, "metric:read" in denied.text) == (403, True)
    stranger = make_tenant(management_base.dsn, f"stranger-{uuid.uuid4().hex[:6]}")
    assert call(stranger.headers).json()["total"]["received"] == 0
    assert truth.deliveries
