"""Rejections in ClickHouse; every statement is for one tenant."""

from pathlib import Path
from uuid import UUID

from infra.clickhouse import ClickHouse, Row
from infra.queries import load_queries
from management.paging import window_parameters
from management.rejections.schemas import RejectionFilter


class RejectionRepository:
    """Raises as `infra.clickhouse.ClickHouse` does."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse
        self._queries = load_queries(Path(__file__).parent / "queries.sql")

    def page(self, tenant_id: UUID, wanted: RejectionFilter) -> tuple[list[Row], int]:
        """The rows of a page, newest first, and how many there are in all."""
        parameters = {
            "tenant_id": str(tenant_id),
            "webhook_id": "" if wanted.webhook_id is None else str(wanted.webhook_id),
            "reason": wanted.reason or "",
            **window_parameters(wanted),
        }
        [count] = self._clickhouse.query(self._queries["count_rejections"], parameters)
        return self._clickhouse.query(self._queries["list_rejections"], parameters), int(count["total"])

    def get(self, tenant_id: UUID, rejection_id: UUID) -> Row | None:
        """One rejection."""
        parameters = {"tenant_id": str(tenant_id), "rejection_id": str(rejection_id)}
        rows = self._clickhouse.query(self._queries["get_rejection"], parameters)
        return rows[0] if rows else None
