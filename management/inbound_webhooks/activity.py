"""What webhooks received of late, from the hourly counts that ClickHouse keeps beside `deliveries`."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from infra.clickhouse import ClickHouse
from infra.clock import MICROSECONDS, now_us
from infra.queries import load_queries

#: How far back `error_rate` looks, to the start of that hour.
ERROR_RATE_SECONDS = 24 * 3_600


class Activity(NamedTuple):
    """Of one webhook. Tests, replays and requests answered 400 do not count as triggers.

    `error_rate` is failed ÷ finished deliveries that were received in the last 24 hours, tests and replays apart; None
    when none finished.
    """

    last_triggered_at_us: int | None
    trigger_count: int
    error_rate: float | None


class WebhookActivity:
    """Raises as `infra.clickhouse.ClickHouse` does."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse
        self._queries = load_queries(Path(__file__).parent / "activity.sql")

    def read(self, tenant_id: UUID, webhook_ids: Sequence[UUID]) -> dict[UUID, Activity]:
        """For each of `webhook_ids`, also for one that never received anything."""
        found = dict.fromkeys(webhook_ids, Activity(None, 0, None))
        if not found:
            return found
        parameters = {
            "tenant_id": str(tenant_id),
            "webhook_ids": [str(webhook_id) for webhook_id in found],
            "since_us": now_us() - ERROR_RATE_SECONDS * MICROSECONDS,
        }
        for row in self._clickhouse.query(self._queries["read_activity"], parameters):
            finished = row["finished_count"]
            found[row["webhook_id"]] = Activity(
                last_triggered_at_us=row["last_triggered_at_us"] or None,
                trigger_count=row["trigger_count"],
                error_rate=row["failed_count"] / finished if finished else None,
            )
        return found
