"""Rejections in ClickHouse; every statement is for one tenant."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from uuid import UUID

from infra.clickhouse import ClickHouse, Row
from infra.queries import load_queries, put_together
from management.exports import BLOCK_ROWS_MAX
from management.log_pages import LogPageMeta
from management.log_reader import Log, LogReader, plain_conditions
from management.rejections.schemas import RejectionConditions, RejectionExport, RejectionFilter

_FILTERS = tuple(RejectionConditions.model_fields)


class RejectionRepository:
    """Raises as `infra.clickhouse.ClickHouse` does."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse
        self._queries = load_queries(Path(__file__).parent / "queries.sql")
        self._reader = LogReader(clickhouse, Log("rejections", "rejection_id", self._queries))

    def page(self, tenant_id: UUID, wanted: RejectionFilter) -> tuple[Sequence[Row], LogPageMeta]:
        """The rows of a page, newest first. Raises ValidationFailedError for a wrong cursor, SearchTooWideError."""
        return self._reader.page(tenant_id, wanted, plain_conditions(wanted, _FILTERS, self._queries))

    def export(self, tenant_id: UUID, wanted: RejectionExport) -> AbstractContextManager[Iterator[list[Row]]]:
        """Blocks of rows, oldest first."""
        conditions = plain_conditions(wanted, _FILTERS, self._queries)
        return self._reader.export(tenant_id, wanted, conditions, block_rows_max=BLOCK_ROWS_MAX)

    def get(self, tenant_id: UUID, rejection_id: UUID) -> Row | None:
        """One rejection."""
        parameters = {"tenant_id": str(tenant_id), "rejection_id": str(rejection_id)}
        rows = self._clickhouse.query(put_together(self._queries, "get"), parameters)
        return rows[0] if rows else None
