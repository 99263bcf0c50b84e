"""Deliveries in ClickHouse and whose they are in Postgres; every statement is for one tenant."""

from pathlib import Path
from uuid import UUID

from infra.clickhouse import ClickHouse, Row
from infra.postgres import Pool, tenant_transaction
from infra.queries import load_queries
from management.deliveries.schemas import DeliveryFilter
from management.paging import window_parameters


class DeliveryRepository:
    """Raises as `infra.clickhouse.ClickHouse` does, and PostgresUnavailableError while Postgres is away."""

    def __init__(self, clickhouse: ClickHouse, pool: Pool) -> None:
        self._clickhouse = clickhouse
        self._pool = pool
        self._queries = load_queries(Path(__file__).parent / "queries.sql")

    def page(self, tenant_id: UUID, wanted: DeliveryFilter) -> tuple[list[Row], int]:
        """The rows of a page, newest first, and how many there are in all."""
        parameters = {
            "tenant_id": str(tenant_id),
            "webhook_id": "" if wanted.webhook_id is None else str(wanted.webhook_id),
            "dispatch_status": "" if wanted.dispatch_status is None else wanted.dispatch_status.value,
            **window_parameters(wanted),
        }
        [count] = self._clickhouse.query(self._queries["count_deliveries"], parameters)
        return self._clickhouse.query(self._queries["list_deliveries"], parameters), int(count["total"])

    def get(self, tenant_id: UUID, delivery_id: UUID, webhook_id: UUID | None) -> Row | None:
        """One delivery (of `webhook_id`, where it is given) with its whole body."""
        parameters = {
            "tenant_id": str(tenant_id),
            "delivery_id": str(delivery_id),
            "webhook_id": "" if webhook_id is None else str(webhook_id),
        }
        rows = self._clickhouse.query(self._queries["get_delivery"], parameters)
        return rows[0] if rows else None

    def has_webhook(self, tenant_id: UUID, webhook_id: UUID) -> bool:
        """Whether the tenant has such a webhook now; deliveries outlive theirs."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            parameters = {"tenant_id": tenant_id, "id": webhook_id}
            return connection.execute(self._queries["find_webhook"].encode(), parameters).fetchone() is not None
