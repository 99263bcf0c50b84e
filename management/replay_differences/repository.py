"""Deliveries that a dry run looks through, in ClickHouse; every statement is for one tenant."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from infra.clickhouse import ClickHouse, Row
from infra.errors import ClickHouseOverTimeError
from infra.queries import load_queries, put_together
from management import deliveries, replaying
from management.deliveries.conditions import conditions_of
from management.deliveries.filters import DeliveryExport
from management.errors import SearchTooWideError
from management.exports import EXPORT_SECONDS_MAX, WHOLE_BODY_ROWS_MAX
from management.log_pages import SEARCH_SECONDS_MAX
from management.log_reader import Conditions
from management.paging import window_of, window_of_ids
from management.replaying.selections import ReplayFilter

#: Ids that one statement is given.
_NAMED_MAX = 1_000
_KEYS_MAX = 50_000
_FOLDERS = (deliveries, replaying)
Rows = Iterator[Sequence[Row]]


class SelectedDeliveryRepository:
    """Raises as `infra.clickhouse.ClickHouse` does, and SearchTooWideError."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse
        folders = [Path(str(folder.__file__)).parent for folder in _FOLDERS]
        self._queries: dict[str, str] = {}
        for folder in (*folders, Path(__file__).parent):
            self._queries |= load_queries(folder / "queries.sql")

    def count(self, tenant_id: UUID, wanted: ReplayFilter, count_max: int) -> int:
        """How many deliveries a filter selects, counted up to `count_max`. Raises ValidationFailedError."""
        conditions = self._conditions(wanted)
        statement = put_together(self._queries, "count", conditions=conditions.text)
        bound = {**self._bound(tenant_id, wanted), **conditions.parameters, "total_max": count_max}
        return int(self._query(statement, bound)[0]["total"])

    def filtered(self, tenant_id: UUID, wanted: ReplayFilter) -> Rows:
        """Blocks of rows, by webhook and then by time, oldest first."""
        yield from self._stream(self._conditions(wanted), self._bound(tenant_id, wanted))

    def named(self, tenant_id: UUID, ids: Collection[UUID]) -> Rows:
        """Those of the ids that are in the log; each part of the ids is ordered as `filtered` is."""
        ordered = sorted(set(ids))
        for begin in range(0, len(ordered), _NAMED_MAX):
            part = ordered[begin : begin + _NAMED_MAX]
            bound = {"tenant_id": str(tenant_id), **_window_of_ids(part)}
            yield from self._stream(Conditions(self._queries["where_named"], {"selected_id": _texts(part)}), bound)

    def of_webhooks(self, tenant_id: UUID, ids: Collection[UUID], webhook_ids: Collection[UUID]) -> dict[str, Row]:
        """The rows of a few ids, by id."""
        parameters = {"selected_id": _texts(ids), "selected_webhook_id": _texts(webhook_ids)}
        conditions = Conditions(self._queries["where_named_of_webhooks"], parameters)
        bound = {"tenant_id": str(tenant_id), **_window_of_ids(ids)}
        return {str(row["delivery_id"]): row for rows in self._stream(conditions, bound) for row in rows}

    def outcomes(self, tenant_id: UUID, ids: Collection[UUID], webhook_ids: Collection[UUID]) -> dict[str, str]:
        """What became of deliveries, by id."""
        bound = {"selected_id": _texts(ids), "selected_webhook_id": _texts(webhook_ids), "tenant_id": str(tenant_id)}
        rows = self._query(self._queries["find_outcomes"], {**bound, **_window_of_ids(ids)})
        return {str(row["delivery_id"]): row["dispatch_status"] for row in rows}

    def replayed(self, tenant_id: UUID, since_us: int) -> Iterator[str]:
        """Origins of replays, since then, that were dispatched or filtered."""
        bound = {"tenant_id": str(tenant_id), "since_us": since_us}
        statement = self._queries["find_replayed"]
        with self._clickhouse.stream(
            statement, bound, block_rows_max=_KEYS_MAX, seconds_max=EXPORT_SECONDS_MAX
        ) as blocks:
            for rows in blocks:
                yield from (str(row["origin_id"]) for row in rows)

    def holders(
        self, tenant_id: UUID, webhook_ids: Collection[UUID], keys: Collection[str], since_us: int
    ) -> Sequence[Row]:
        """Deliveries that hold one of these dedupe keys, as far as the log shows it."""
        bound = {"tenant_id": str(tenant_id), "selected_webhook_id": _texts(webhook_ids), "since_us": since_us}
        return self._query(self._queries["find_holders"], {**bound, "held_key": sorted(keys)})

    def _conditions(self, wanted: ReplayFilter) -> Conditions:
        exported = DeliveryExport.model_validate(wanted.model_dump(exclude_unset=True))
        return conditions_of(exported, self._queries, now=datetime.now(UTC))

    def _bound(self, tenant_id: UUID, wanted: ReplayFilter) -> dict[str, Any]:
        since_us, until_us = window_of(wanted.since, wanted.until)
        return {"tenant_id": str(tenant_id), "since_us": since_us, "until_us": until_us}

    def _stream(self, conditions: Conditions, bound: dict[str, Any]) -> Rows:
        statement = put_together(self._queries, "select_deliveries", conditions=conditions.text)
        with self._clickhouse.stream(
            statement,
            {**bound, **conditions.parameters},
            block_rows_max=WHOLE_BODY_ROWS_MAX,
            seconds_max=EXPORT_SECONDS_MAX,
        ) as blocks:
            yield from blocks

    def _query(self, statement: str, bound: dict[str, Any]) -> Sequence[Row]:
        try:
            return self._clickhouse.query(statement, bound, seconds_max=SEARCH_SECONDS_MAX)
        except ClickHouseOverTimeError as error:
            raise SearchTooWideError(SEARCH_SECONDS_MAX) from error


def _texts(ids: Collection[UUID]) -> list[str]:
    return sorted(str(one) for one in ids)


def _window_of_ids(ids: Collection[UUID]) -> dict[str, int]:
    since_us, until_us = window_of_ids(ids)
    return {"since_us": since_us, "until_us": until_us}
