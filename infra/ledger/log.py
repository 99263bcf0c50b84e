"""What the delivery log holds, as the ledger counts it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from infra.clickhouse import ClickHouse, Row
from infra.clock import HOUR_US, MICROSECONDS
from infra.ledger.core.counts import HourCounts
from infra.ledger.core.frontier import Place
from infra.queries import load_queries

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")
_COUNTED = tuple(field.name for field in fields(HourCounts))
#: Before and after every time a row can have.
_US_FIRST, _US_LAST = 0, 4_102_444_800 * MICROSECONDS
#: Offsets are of the order of arrival, hours of `received_at`: a record may lie a little outside its hour's offsets.
_OVERLAP_US = HOUR_US

Account = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Window:
    """Whole hours [since_us, until_us), of one tenant or, with '', of all."""

    since_us: int
    until_us: int
    tenant_id: str = ""

    @property
    def hours_us(self) -> range:
        """Their starts."""
        return range(self.since_us, self.until_us, HOUR_US)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Offsets [first, end) of one partition of a raw topic, in one life of the topic."""

    place: Place
    incarnation: str
    first: int
    end: int


class LoggedDeliveries:
    """Raises as `infra.clickhouse.ClickHouse` does."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    def counts(self, window: Window) -> dict[Account, HourCounts]:
        """By tenant and start of the hour: every hour in which there is anything."""
        found: dict[Account, dict[str, int]] = {}
        for name in ("count_requests", "count_attested"):
            for row in self._query(name, window):
                account = row["tenant"], int(row["hour_seconds"]) * MICROSECONDS
                found.setdefault(account, {}).update({key: int(row[key]) for key in _COUNTED if key in row})
        return {account: HourCounts(**members) for account, members in found.items()}

    def is_whole(self, window: Window, stretch: Stretch) -> bool:
        """Whether each offset is there exactly once."""
        [row] = self._query("count_places", _widened(window), stretch)
        return bool(row["rows"] == row["places"] == stretch.end - stretch.first)

    def gaps(self, window: Window, stretch: Stretch, limit: int) -> list[tuple[int, int]]:
        """The first and last offset of each run that is not there, wherever its time may lie."""
        gaps = self._gaps(_widened(window), stretch, limit)
        if not gaps:
            return []
        within = Stretch(stretch.place, stretch.incarnation, gaps[0][0], gaps[-1][1] + 1)
        everywhere = self._gaps(Window(_US_FIRST, _US_LAST), within, limit)
        return [
            (max(first, found[0]), min(last, found[1]))
            for first, last in gaps
            for found in everywhere
            if found[0] <= last and first <= found[1]
        ]

    def doubled(self, window: Window, stretch: Stretch, limit: int) -> list[Row]:
        """`place`, `tenant`, `hour_seconds`, `delivery` of each row whose offset another one has too."""
        return self._query("list_doubled", _widened(window), stretch, limit=limit)

    def pending(self, window: Window, stretch: Stretch, limit: int) -> list[Row]:
        """`place`, `tenant`, `hour_seconds` of each request without an outcome."""
        return self._query("list_pending", window, stretch, limit=limit)

    def unlogged(self, window: Window, stretch: Stretch, limit: int) -> list[Row]:
        """`place`, `tenant`, `hour_seconds` of each offset that a receiver attests and the log does not have."""
        return self._query("list_unlogged", window, stretch, limit=limit)

    def known(self, tenant_ids: Sequence[str], delivery_ids: Sequence[str]) -> set[str]:
        """Which of these deliveries are in the log, wherever their record lies."""
        parameters = {"tenant_ids": sorted(set(tenant_ids)), "delivery_ids": sorted(set(delivery_ids))}
        return {row["delivery"] for row in self._clickhouse.query(_QUERIES["find_deliveries"], parameters)}

    def _gaps(self, window: Window, stretch: Stretch, limit: int) -> list[tuple[int, int]]:
        rows = self._query("list_gaps", window, stretch, limit=limit)
        return [(int(row["gap_first"]), int(row["gap_last"])) for row in rows]

    def _query(self, name: str, window: Window, stretch: Stretch | None = None, **more: Any) -> list[Row]:
        parameters = {"since_us": window.since_us, "until_us": window.until_us, "tenant_id": window.tenant_id, **more}
        if stretch is not None:
            parameters |= {"topic": stretch.place[0], "partition": stretch.place[1], "first": stretch.first}
            parameters |= {"incarnation": stretch.incarnation, "end": stretch.end}
        return self._clickhouse.query(_QUERIES[name], parameters)


def _widened(window: Window) -> Window:
    return Window(max(0, window.since_us - _OVERLAP_US), window.until_us + _OVERLAP_US)
