"""What the delivery log comes to in ClickHouse, and whose webhooks they are in Postgres; always for one tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from infra.clickhouse import ClickHouse
from infra.clickhouse import Row as Measured
from infra.postgres import Pool, Row, tenant_transaction
from infra.queries import load_queries


@dataclass(frozen=True, slots=True)
class Range:
    """What is measured: [since_us, until_us) in microseconds, of one webhook or (None) of all.

    `targets_us` are the times an outcome may take; it is counted how many took longer than each.
    """

    tenant_id: UUID
    webhook_id: UUID | None
    since_us: int
    until_us: int
    targets_us: Sequence[int]


class MetricsRepository:
    """Raises as `infra.clickhouse.ClickHouse` does, and PostgresUnavailableError while Postgres is away."""

    def __init__(self, clickhouse: ClickHouse, pool: Pool) -> None:
        self._clickhouse = clickhouse
        self._pool = pool
        self._queries = load_queries(Path(__file__).parent / "queries.sql")

    def by_bucket(
        self, wanted: Range, *, bucket_seconds: int, buckets_max: int
    ) -> tuple[Measured, dict[int, Measured]]:
        """In all, and by the beginning of each bucket (in seconds since the epoch) that has anything."""
        total, *rows = self._measure(wanted, bucket_seconds=bucket_seconds, limit=buckets_max + 1, offset=0)
        return total, {int(row["key"]): row for row in rows}

    def by_webhook(self, wanted: Range, *, limit: int, offset: int) -> list[Measured]:
        """Webhooks that have anything, the busiest first; `key` is the id."""
        return self._measure(wanted, bucket_seconds=0, limit=limit, offset=offset + 1)  # the first row is the total

    def webhooks(self, tenant_id: UUID, webhook_ids: Sequence[UUID]) -> dict[UUID, Row]:
        """Slug and priority of those that are there."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            parameters = {"tenant_id": tenant_id, "ids": list(webhook_ids)}
            rows = connection.execute(self._queries["find_webhooks"].encode(), parameters).fetchall()
        return {row["id"]: row for row in rows}

    def _measure(self, wanted: Range, *, bucket_seconds: int, limit: int, offset: int) -> list[Measured]:
        parameters = {
            "tenant_id": str(wanted.tenant_id),
            "webhook_id": "" if wanted.webhook_id is None else str(wanted.webhook_id),
            "since_us": wanted.since_us,
            "until_us": wanted.until_us,
            "targets_us": list(wanted.targets_us),
            "bucket_seconds": bucket_seconds,
            "limit": limit,
            "offset": offset,
        }
        return self._clickhouse.query(self._queries["measure"], parameters)
