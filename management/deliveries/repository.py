"""Deliveries in ClickHouse and whose they are in Postgres; every statement is for one tenant."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from infra.clickhouse import ClickHouse, Row
from infra.errors import ClickHouseOverTimeError
from infra.postgres import Pool, tenant_transaction
from infra.queries import load_queries, put_together
from management.deliveries.conditions import conditions_of
from management.deliveries.filters import DeliveryExport, DeliveryFilter
from management.errors import SearchTooWideError
from management.exports import BLOCK_ROWS_MAX, WHOLE_BODY_ROWS_MAX
from management.log_pages import SEARCH_SECONDS_MAX, LogPageMeta
from management.log_reader import Log, LogReader
from management.paging import LAST_US, window_of_ids
from management.replaying.stored import STORED_COLUMNS

#: Related deliveries that one shows, and how long they are looked for.
RELATED_MAX = 100
RELATED_SECONDS_MAX = 2.0
_BODY_COLUMNS = {"none": "no_body", "head": "body_head", "whole": "whole_body"}


class DeliveryRepository:
    """Raises as `infra.clickhouse.ClickHouse` does, and PostgresUnavailableError while Postgres is away."""

    def __init__(self, clickhouse: ClickHouse, pool: Pool) -> None:
        self._clickhouse = clickhouse
        self._pool = pool
        self._queries = load_queries(Path(__file__).parent / "queries.sql")
        listing = {**self._queries, "body_columns": self._queries["body_head"]}
        self._reader = LogReader(clickhouse, Log("deliveries", "delivery_id", listing))

    def page(self, tenant_id: UUID, wanted: DeliveryFilter) -> tuple[Sequence[Row], LogPageMeta]:
        """The rows of a page, newest first, with the first 1,024 bytes of bodies.

        Raises ValidationFailedError for filters or a cursor that cannot be, SearchTooWideError.
        """
        return self._reader.page(tenant_id, wanted, conditions_of(wanted, self._queries, now=datetime.now(UTC)))

    def export(self, tenant_id: UUID, wanted: DeliveryExport) -> AbstractContextManager[Iterator[list[Row]]]:
        """Blocks of rows, by webhook and then by time, oldest first. Raises ValidationFailedError."""
        conditions = conditions_of(wanted, self._queries, now=datetime.now(UTC))
        body_columns = self._queries[_BODY_COLUMNS[wanted.bodies]]
        rows_max = WHOLE_BODY_ROWS_MAX if wanted.bodies == "whole" else BLOCK_ROWS_MAX
        return self._reader.export(tenant_id, wanted, conditions, block_rows_max=rows_max, body_columns=body_columns)

    def get(self, tenant_id: UUID, delivery_id: UUID, webhook_id: UUID | None) -> Row | None:
        """One delivery (of `webhook_id`, where it is given) with its whole body. Raises SearchTooWideError."""
        statement = put_together(self._queries, "get", body_columns=self._queries["whole_body"])
        wanted = {"webhook_id": "" if webhook_id is None else str(webhook_id)}
        return self._by_id(statement, tenant_id, delivery_id, wanted)

    def get_stored(self, tenant_id: UUID, delivery_id: UUID, webhook_id: UUID | None) -> Row | None:
        """The same with what a replay needs (`management.replaying.stored`). Raises SearchTooWideError."""
        statement = put_together(self._queries, "get_stored", stored_columns=STORED_COLUMNS)
        wanted = {"webhook_id": "" if webhook_id is None else str(webhook_id)}
        return self._by_id(statement, tenant_id, delivery_id, wanted)

    def find(self, tenant_id: UUID, webhook_id: UUID, delivery_id: UUID) -> Row | None:
        """Id, time and status of a webhook's delivery. Raises SearchTooWideError."""
        wanted = {"webhook_id": str(webhook_id)}
        return self._by_id(self._queries["find_named"], tenant_id, delivery_id, wanted)

    def related(self, tenant_id: UUID, row: Row) -> tuple[Sequence[Row], bool]:
        """Duplicates and replays of a delivery, oldest first, and whether these are all."""
        parameters = {
            "tenant_id": str(tenant_id),
            "webhook_id": str(row["webhook_id"]),
            "delivery_id": str(row["delivery_id"]),
            "since_us": row["received_at_us"],
            "limit": RELATED_MAX + 1,
        }
        try:
            found = self._clickhouse.query(self._queries["find_related"], parameters, seconds_max=RELATED_SECONDS_MAX)
        except ClickHouseOverTimeError:
            return [], False
        return found[:RELATED_MAX], len(found) <= RELATED_MAX

    def has_webhook(self, tenant_id: UUID, webhook_id: UUID) -> bool:
        """Whether the tenant has such a webhook now; deliveries outlive theirs."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            parameters = {"tenant_id": tenant_id, "id": webhook_id}
            return connection.execute(self._queries["find_webhook"].encode(), parameters).fetchone() is not None

    def find_replay(self, tenant_id: UUID, delivery_id: UUID) -> Row | None:
        """Who replayed it, when, why and how; None where it is no replay, or one of a job."""
        with tenant_transaction(self._pool, tenant_id) as connection:
            parameters = {"tenant_id": tenant_id, "delivery_id": delivery_id}
            return connection.execute(self._queries["find_replay"].encode(), parameters).fetchone()

    def _by_id(self, statement: str, tenant_id: UUID, delivery_id: UUID, wanted: dict[str, Any]) -> Row | None:
        """Where the id's own time says it is; else everywhere."""
        bound = {"tenant_id": str(tenant_id), "delivery_id": str(delivery_id), **wanted}
        for since_us, until_us in dict.fromkeys((window_of_ids([delivery_id]), (0, LAST_US))):
            window = {"since_us": since_us, "until_us": until_us}
            try:
                rows = self._clickhouse.query(statement, {**bound, **window}, seconds_max=SEARCH_SECONDS_MAX)
            except ClickHouseOverTimeError as error:
                raise SearchTooWideError(SEARCH_SECONDS_MAX) from error
            if rows:
                return rows[0]
        return None
