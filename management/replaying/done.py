"""Whether a delivery is done already, so that the mode `fill` leaves it out: one rule for whatever replays.

An origin is done when it, or a replay of it, was dispatched or filtered. It is done as well when it, or a replay of it,
was a duplicate of a delivery that is done by the sentence before. What is pending, failed, or not in the log is not.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from infra.clickhouse import ClickHouse, Row
from infra.errors import ClickHouseOverTimeError
from infra.queries import load_queries
from management.errors import SearchTooWideError
from management.paging import window_of_ids
from schemas.records import DispatchStatus

_QUERIES = load_queries(Path(__file__).parent / "done.sql")
#: What `fill` need not run again.
DONE_STATUSES = frozenset({DispatchStatus.DISPATCHED, DispatchStatus.FILTERED})


class Done(NamedTuple):
    """The delivery that was done. `duplicate_of`: what the one asked for was a duplicate of, if it is done by that."""

    delivery_id: str
    status: str
    duplicate_of: str | None = None

    @property
    def words(self) -> str:
        """Why nothing is missing."""
        was = f"delivery {self.delivery_id} was {self.status}"
        return was if self.duplicate_of is None else f"it was a duplicate of {self.duplicate_of}, and {was}"


class DoneDeliveries:
    """Of one tenant, in the log. Raises as `ClickHouse` does, and SearchTooWideError for a look past `seconds_max`."""

    def __init__(self, clickhouse: ClickHouse, tenant_id: UUID, *, seconds_max: float | None = None) -> None:
        self._clickhouse = clickhouse
        self._tenant_id = str(tenant_id)
        self._seconds_max = seconds_max

    def find(self, webhook_ids: Collection[str], origin_ids: Collection[str]) -> dict[str, Done]:
        """Those of the origins that are done, by id."""
        rows = self._states(webhook_ids, origin_ids)
        firsts = {first for _, first in _duplicates(rows)}
        return done(rows, self._states(webhook_ids, firsts))

    def _states(self, webhook_ids: Collection[str], delivery_ids: Collection[str]) -> list[Row]:
        if not delivery_ids:
            return []
        from_us, until_us = window_of_ids(delivery_ids)
        wanted = {
            "tenant_id": self._tenant_id,
            "webhook_ids": sorted(webhook_ids),
            "delivery_ids": sorted(delivery_ids),
            "delivery_texts": sorted(delivery_ids),
            "from_us": from_us,
            "until_us": until_us,
        }
        try:
            return self._clickhouse.query(_QUERIES["read_states"], wanted, seconds_max=self._seconds_max)
        except ClickHouseOverTimeError as error:
            raise SearchTooWideError(self._seconds_max or 0.0) from error


def done(rows: Collection[Mapping[str, Any]], rows_of_firsts: Collection[Mapping[str, Any]]) -> dict[str, Done]:
    """By origin. Rows are of deliveries and of replays of them: delivery_id, replayed_from ('': it is no replay),
    dispatch_status, duplicate_of. `rows_of_firsts` are those of the deliveries that are named in `duplicate_of`."""
    found = _successes(rows)
    firsts = {str(row["delivery_id"]): one for row in rows_of_firsts for one in _success(row)} | _successes(
        rows_of_firsts
    )
    for origin_id, first_id in _duplicates(rows):
        if first_id in firsts:
            found.setdefault(origin_id, firsts[first_id]._replace(duplicate_of=first_id))
    return found


def _success(row: Mapping[str, Any]) -> Iterable[Done]:
    status = row["dispatch_status"]
    return [Done(str(row["delivery_id"]), status)] if status in DONE_STATUSES else []


def _successes(rows: Iterable[Mapping[str, Any]]) -> dict[str, Done]:
    return {_origin_of(row): one for row in rows for one in _success(row)}


def _duplicates(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Origins, each with the delivery that it, or a replay of it, was a duplicate of."""
    return [
        (_origin_of(row), row["duplicate_of"])
        for row in rows
        if row["dispatch_status"] == DispatchStatus.DUPLICATE and row["duplicate_of"]
    ]


def _origin_of(row: Mapping[str, Any]) -> str:
    return str(row["replayed_from"] or row["delivery_id"])
