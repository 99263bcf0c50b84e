"""The last real requests of a webhook in ClickHouse; every statement is for one tenant."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

from infra.clickhouse import ClickHouse, Row
from infra.clock import now_us
from infra.errors import ClickHouseOverTimeError
from infra.queries import load_queries, put_together
from management.errors import SearchTooWideError
from management.log_pages import SEARCH_SECONDS_MAX, read_newest
from management.paging import LAST_US
from management.replaying import stored

#: Rows in memory at once: each may bring a body of several MiB.
_BLOCK_ROWS = 32


class LastRequestRepository:
    """Raises as `infra.clickhouse.ClickHouse` does, and SearchTooWideError."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse
        columns = load_queries(Path(stored.__file__).parent / "queries.sql")
        self._queries = {**columns, **load_queries(Path(__file__).parent / "queries.sql")}

    def last(self, tenant_id: UUID, webhook_id: UUID, count: int) -> Iterator[Sequence[Row]]:
        """Blocks of rows, newest first."""
        bound = {"tenant_id": str(tenant_id), "webhook_id": str(webhook_id)}

        def find(since_us: int, until_us: int, limit: int) -> Sequence[Row]:
            window = {"since_us": since_us, "until_us": until_us, "limit": limit}
            return self._query(self._queries["find_last"], {**bound, **window})

        keys = read_newest(find, 0, LAST_US, now_us(), count)
        fetch = put_together(self._queries, "fetch")
        for begin in range(0, len(keys), _BLOCK_ROWS):
            block = keys[begin : begin + _BLOCK_ROWS]
            window = {"since_us": block[-1]["at_us"], "until_us": block[0]["at_us"]}
            ids = sorted(str(key["delivery_id"]) for key in block)
            yield self._query(fetch, {**bound, **window, "found_delivery_id": ids})

    def _query(self, statement: str, bound: dict[str, object]) -> Sequence[Row]:
        try:
            return self._clickhouse.query(statement, bound, seconds_max=SEARCH_SECONDS_MAX)
        except ClickHouseOverTimeError as error:
            raise SearchTooWideError(SEARCH_SECONDS_MAX) from error
