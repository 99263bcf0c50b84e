"""What the rollups come to in ClickHouse, and whose webhooks they are in Postgres; always for one tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

from infra.clickhouse import ClickHouse
from infra.clickhouse import Row as Measured
from infra.postgres import Pool, Row, tenant_transaction
from infra.queries import load_queries

BUCKET_SECONDS = {"minute": 60, "hour": 3_600}


@dataclass(frozen=True, slots=True)
class Range:
    """Whole minutes or hours, [since_seconds, until_seconds) since the epoch, of one webhook or (None) of all."""

    tenant_id: UUID
    webhook_id: UUID | None
    bucket: Literal["minute", "hour"]
    since_seconds: int
    until_seconds: int

    @property
    def bucket_seconds(self) -> int:
        """A minute or an hour."""
        return BUCKET_SECONDS[self.bucket]


class MetricsRepository:
    """Raises as `infra.clickhouse.ClickHouse` does, and PostgresUnavailableError while Postgres is away."""

    def __init__(self, clickhouse: ClickHouse, pool: Pool) -> None:
        self._clickhouse = clickhouse
        self._pool = pool
        self._queries = load_queries(Path(__file__).parent / "queries.sql")

    def uncounted(self, wanted: Range) -> tuple[int, int]:
        """Minutes of webhooks that are to be counted, or counted again, and when the first begins (0: none does)."""
        [row] = self._clickhouse.query(self._queries["find_uncounted"], _bounds(wanted))
        return row["minutes"], row["first_seconds"]

    def by_bucket(self, wanted: Range, *, buckets_max: int) -> tuple[Measured, dict[int, Measured]]:
        """In all, and by the beginning of each bucket (in seconds since the epoch) that has anything."""
        total, *rows = self._measure(wanted, bucket_seconds=wanted.bucket_seconds, limit=buckets_max + 1, offset=0)
        return total, {int(row["key"]): row for row in rows}

    def by_webhook(self, wanted: Range, *, limit: int, offset: int) -> list[Measured]:
        """Webhooks that have anything, the busiest first; `key` is the id."""
        return self._measure(wanted, bucket_seconds=0, limit=limit, offset=offset + 1)  # the first row is the total

    def rejection_days(self, tenant_id: UUID) -> int:
        """For how many days the tenant's rejections are kept."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            [row] = connection.execute(self._queries["read_tenant"].encode(), {"tenant_id": tenant_id}).fetchall()
        days: int = row["rejection_retention_days"]
        return days

    def webhooks(self, tenant_id: UUID, webhook_ids: Sequence[UUID]) -> dict[UUID, Row]:
        """Slug and priority of those that are there."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            parameters = {"tenant_id": tenant_id, "ids": list(webhook_ids)}
            rows = connection.execute(self._queries["find_webhooks"].encode(), parameters).fetchall()
        return {row["id"]: row for row in rows}

    def _measure(self, wanted: Range, **parameters: int) -> list[Measured]:
        names = {"rollup": f"delivery_{wanted.bucket}s", "span": wanted.bucket}
        return self._clickhouse.query(self._queries["measure"], {**_bounds(wanted), **names, **parameters})


def _bounds(wanted: Range) -> dict[str, str | int]:
    return {
        "tenant_id": str(wanted.tenant_id),
        "webhook_id": "" if wanted.webhook_id is None else str(wanted.webhook_id),
        "since_seconds": wanted.since_seconds,
        "until_seconds": wanted.until_seconds,
    }
