"""Rows of the log as the sink writes them, of any age, for tests of what becomes of them."""

import uuid
from collections.abc import Sequence

from infra.clickhouse import ClickHouse, Row
from infra.retention.days import ReadRetention, no_retention
from sinks.clickhouse.core.outcomes import build_outcomes
from sinks.clickhouse.core.rejections import build_rejections
from sinks.clickhouse.core.requests import build_requests
from sinks.clickhouse.core.rows import Rows, Source
from sinks.clickhouse.writer import BatchWriter
from tests.support.analytics import MadeRecord
from tests.support.wait import eventually

DAY_US = 86_400_000_000


def keep(
    clickhouse: ClickHouse,
    *,
    requests: Sequence[MadeRecord] = (),
    outcomes: Sequence[MadeRecord] = (),
    rejections: Sequence[MadeRecord] = (),
    read_retention: ReadRetention = no_retention,
) -> None:
    """Write what the sink makes of these records."""
    for records, build in ((requests, build_requests), (outcomes, build_outcomes), (rejections, build_rejections)):
        if records:
            source = Source("retention", uuid.uuid4().hex, 0)
            built: list[Rows] = build(records, source, read_retention=read_retention)
            BatchWriter(clickhouse).write(built, source, 0, len(records))


def await_mutations(clickhouse: ClickHouse) -> None:
    """Return when the engine has done every UPDATE."""
    sql = "SELECT count() AS running FROM system.mutations WHERE NOT is_done"
    eventually(lambda: clickhouse.query(sql)[0]["running"] == 0, timeout_seconds=60, what="mutations to end")


def shown(clickhouse: ClickHouse, delivery_id: str) -> list[Row]:
    """The delivery's bodies as the log has them; [] where it has not got the delivery."""
    sql = (
        "SELECT body, body_head, body_bytes, dispatch_status, raw_offset FROM deliveries FINAL "
        "WHERE delivery_id = {id:UUID}"
    )
    return clickhouse.query(sql, {"id": delivery_id})
