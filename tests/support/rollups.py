"""Deliveries with a known truth, written as the sink writes them, and the rollups held against it."""

from __future__ import annotations

import json
import math
import random
import sys
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from infra.clickhouse import ClickHouse
from infra.ids import uuid7_text
from infra.settings import ClickHouseSettings, SlaSettings
from schemas.headers import Replay
from schemas.records import DeliveryError, DispatchStatus, ErrorCode
from sinks.clickhouse.core.outcomes import build_outcomes
from sinks.clickhouse.core.requests import build_requests
from sinks.clickhouse.core.rows import Rows, Source
from sinks.clickhouse.rollups import Rollups
from sinks.clickhouse.writer import BatchWriter
from tests.support.analytics import FACTS, MadeRecord, outcome_record, request_record

MINUTE_US, HOUR_US = 60_000_000, 3_600_000_000
SPANS = {"minute": MINUTE_US, "hour": HOUR_US}
LEVELS = (0.5, 0.9, 0.95, 0.99)
#: The sketches promise 1 % of a value that was there.
ACCURACY = 0.011
#: Targets that some of these deliveries miss.
SLA = SlaSettings(low_seconds=0.4, normal_seconds=0.1, high_seconds=0.05, critical_seconds=0.02)
ACTIONS = ("createTicket", "upsertAssetByExternalId", "markInvoicePaidByExternalId")


@dataclass(frozen=True)
class Made:
    """One delivery as it was made. `ended` is None while it is pending."""

    webhook_id: str
    delivery_id: str
    received_at: int
    traffic: str
    source_ip: str
    user_agent: str
    body: bytes
    ingress_us: int
    config_version: int
    ended: Ended | None

    @property
    def status(self) -> str:
        return "pending" if self.ended is None else self.ended.status


class Ended(NamedTuple):
    """How a delivery ended, by processors (`action` is None) or an action."""

    status: str
    recorded_at: int
    code: str
    action: str | None
    requested_at: int | None
    attempts: int
    duplicate_of: str | None


def make(
    chance: random.Random, webhook_id: str, received_at: int, earlier: Sequence[Made] = (), pending: float = 0.1
) -> Made:
    """Any delivery of this webhook; a duplicate is one of `earlier`."""
    received_at = received_at // 1_000 * 1_000
    body = orjson.dumps(
        {"severity": chance.choice(("critical", "warning", "info")), "text": "x" * chance.randrange(900)}
    )
    ended = None if chance.random() < pending else _end(chance, received_at, earlier)
    return Made(
        webhook_id=webhook_id,
        delivery_id=uuid7_text(received_at),
        received_at=received_at,
        traffic=chance.choices(("live", "test", "replay"), (8, 1, 1))[0],
        source_ip=f"203.0.113.{chance.randrange(12)}",
        user_agent=chance.choice(("rmm/4.2", "curl/8.9", "backup-agent/1.0")),
        body=body,
        ingress_us=chance.randrange(200, 9_000),
        config_version=chance.randrange(1, 4),
        ended=ended,
    )


def _end(chance: random.Random, received_at: int, earlier: Sequence[Made]) -> Ended:
    requested_at = received_at + chance.randrange(1, 50) * 1_000
    recorded_at = requested_at + int(chance.lognormvariate(10, 1.5))
    first = chance.choice(earlier).delivery_id if earlier else None
    kind = chance.random()
    if kind < 0.6:
        return Ended(
            "dispatched", recorded_at, "", chance.choice(ACTIONS), requested_at, chance.choice((1, 1, 2)), None
        )
    if kind < 0.75:
        code = chance.choice(("LOOKUP_MISS", "CONFLICT"))
        return Ended("failed", recorded_at, code, chance.choice(ACTIONS), requested_at, chance.choice((1, 3)), None)
    if kind < 0.8:
        return Ended("failed", requested_at, "MAPPING_FAILED", None, None, 1, None)
    if kind < 0.9 and first is not None:
        return Ended("duplicate", requested_at, "", None, None, 1, first)
    return Ended("filtered", requested_at, "", None, None, 1, None)


@dataclass
class Log:
    """A tenant's part of the delivery log; what is written is kept as the truth."""

    clickhouse: ClickHouse
    tenant_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    source: Source = field(default_factory=lambda: Source("topic", uuid.uuid4().hex, 0))
    made: dict[str, Made] = field(default_factory=dict)
    _batches: list[list[Rows]] = field(default_factory=list)

    def requests(self, deliveries: Iterable[Made]) -> None:
        """Insert requests; what ends later is pending until then."""
        made = list(deliveries)
        self.know(made, ())
        self._write(build_requests([self.request_of(one) for one in made], self.source))

    def outcomes(self, deliveries: Iterable[Made]) -> None:
        """Insert how they ended."""
        ended = [one for one in deliveries if one.ended is not None]
        self.know((), ended)
        if ended:
            self._write(build_outcomes([self.outcome_of(one) for one in ended], self.source))

    def know(self, received: Iterable[Made], ended: Iterable[Made]) -> None:
        """Add to the truth."""
        for one in received:
            self.made.setdefault(one.delivery_id, replace(one, ended=None))
        self.made |= {one.delivery_id: one for one in ended}

    def repeat(self, index: int) -> None:
        """Insert a batch once more, as after a crash."""
        BatchWriter(self.clickhouse).write(self._batches[index], self.source, index, index)

    def _write(self, built: list[Rows]) -> None:
        self._batches.append(built)
        self.repeat(len(self._batches) - 1)

    def request_of(self, one: Made) -> MadeRecord:
        """The raw record."""
        facts = FACTS.model_copy(
            update={"source_ip": one.source_ip, "user_agent": one.user_agent, "ingress_us": one.ingress_us}
        )
        return request_record(
            one.delivery_id,
            one.received_at,
            one.body,
            request=facts.model_dump_json().encode(),
            config_version=one.config_version,
            replay=_REPLAY if one.traffic == "replay" else None,
            **self._kind(one),
        )

    def outcome_of(self, one: Made) -> MadeRecord:
        """The record of its end."""
        assert one.ended is not None
        status, recorded_at, code, action, requested_at, attempts, duplicate_of = one.ended
        return outcome_record(
            one.delivery_id,
            one.received_at,
            dispatch_status=DispatchStatus(status),
            recorded_at=recorded_at,
            stage="processors" if action is None else "actions",
            handler_outcome={"action": action} if action is not None and status == "dispatched" else None,
            error=DeliveryError(code=ErrorCode(code), message="so it is") if code else None,
            action=action,
            action_requested_at=requested_at,
            attempts=attempts,
            duplicate_of=duplicate_of,
            replay_id=_REPLAY.replay_id if one.traffic == "replay" else None,
            **self._kind(one),
        )

    def _kind(self, one: Made) -> dict[str, Any]:
        return {"tenant_id": self.tenant_id, "webhook_id": one.webhook_id, "is_test": one.traffic == "test"}


_REPLAY = Replay(replay_id=str(uuid.uuid4()), replay_of=str(uuid.uuid4()), mode="redrive", depth=1)


def count_all(rollups: Rollups) -> None:
    """Until nothing is marked."""
    while rollups.count_marked(sweep=True):
        pass


Counts = dict[tuple[str, int, str], dict[str, Any]]
_ROLLED_UP = """
SELECT * REPLACE (
        finalizeAggregation(senders) AS senders, finalizeAggregation(ingress_us) AS ingress_us,
        finalizeAggregation(processing_us) AS processing_us, finalizeAggregation(handling_us) AS handling_us,
        finalizeAggregation(total_us) AS total_us
    ), toUnixTimestamp(SPAN) AS span_seconds
FROM delivery_SPANs FINAL WHERE tenant_id = {tenant_id:UUID}
"""


def rolled_up(clickhouse: ClickHouse, tenant_id: str, span: str) -> Counts:
    """Rows of a rollup by webhook, start of the span in µs, and traffic; sketches as their quantiles."""
    rows = clickhouse.query(_ROLLED_UP.replace("SPAN", span), {"tenant_id": tenant_id})
    left_out = {"tenant_id", "webhook_id", "traffic", "version", "span_seconds", span}
    return {
        (str(row["webhook_id"]), row["span_seconds"] * 1_000_000, row["traffic"]): {
            name: _without_nan(value) for name, value in row.items() if name not in left_out
        }
        for row in rows
    }


def _without_nan(value: Any) -> Any:
    """Quantiles of nothing as None, which equals itself."""
    if isinstance(value, (list, tuple)):
        return [None if math.isnan(quantile) else quantile for quantile in value]
    return value


def truth(made: Iterable[Made], span: str) -> Counts:
    """What the rollup of these deliveries must say; of latencies, all values in order."""
    groups: dict[tuple[str, int, str], list[Made]] = {}
    for one in made:
        groups.setdefault((one.webhook_id, one.received_at // SPANS[span] * SPANS[span], one.traffic), []).append(one)
    return {key: _counts(group) for key, group in groups.items()}


def _counts(group: Sequence[Made]) -> dict[str, Any]:
    statuses = Counter(one.status for one in group)
    ended = [(one, one.ended) for one in group if one.ended is not None]
    handled = [(one, end) for one, end in ended if end.action is not None]
    return {
        "deliveries": len(group),
        **{status.value: statuses[status.value] for status in DispatchStatus},
        "late": [
            sum(end.recorded_at - one.received_at > target * 1_000_000 for one, end in ended)
            for target in SLA.by_priority
        ],
        "attempts": sum(end.attempts for _, end in ended),
        "error_codes": Counter(end.code for _, end in ended if end.code),
        "actions": Counter(end.action for _, end in handled),
        "failed_actions": Counter(end.action for _, end in handled if end.status == "failed"),
        "body_bytes": sum(len(one.body) for one in group),
        "body_bytes_max": max(len(one.body) for one in group),
        "senders": len({one.source_ip for one in group}),
        "ingress_us": sorted(one.ingress_us for one in group),
        "processing_us": sorted((end.requested_at or end.recorded_at) - one.received_at for one, end in ended),
        "handling_us": sorted(end.recorded_at - (end.requested_at or 0) for _, end in handled),
        "total_us": sorted(end.recorded_at - one.received_at for one, end in ended),
    }


def check(found: Counts, expected: Counts) -> None:
    """Exact but for latencies, which are within the accuracy of the sketch."""
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        for name, value in row.items():
            if name.endswith("_us"):
                assert_quantiles(found[key][name], value)
            else:
                assert found[key][name] == value, (key, name)


def assert_quantiles(found: Sequence[float | None], values: Sequence[int], levels: Sequence[float] = LEVELS) -> None:
    """Each quantile is one of the two values nearest to its rank, within the accuracy."""
    for level, quantile in zip(levels, found, strict=True):
        if not values:
            assert quantile is None
            continue
        assert quantile is not None
        rank = level * (len(values) - 1)
        low, high = values[int(rank)], values[min(len(values) - 1, int(rank) + 1)]
        assert low * (1 - ACCURACY) - 1 <= quantile <= high * (1 + ACCURACY) + 1, (level, quantile, low, high)


def main() -> None:
    """`python -m tests.support.rollups FOLDER TENANT`: count what is left and print both rollups as JSON.

    A process of its own, because an engine's folder belongs to one, and a process has one.
    """
    engine = ClickHouse(ClickHouseSettings(path=Path(sys.argv[1])))
    rollups = Rollups(engine, SLA)
    count_all(rollups)
    found = {span: [[list(key), row] for key, row in rolled_up(engine, sys.argv[2], span).items()] for span in SPANS}
    [raw] = engine.query("SELECT count() AS rows FROM deliveries FINAL")
    sys.stdout.write(json.dumps({"rows": raw["rows"], **found}))
    engine.close()


if __name__ == "__main__":
    main()
