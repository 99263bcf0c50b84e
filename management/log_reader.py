"""Reads pages of a log from ClickHouse: the keys of a page first, by narrow columns, then its rows by their keys."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel

from infra.clickhouse import ClickHouse, Row
from infra.clock import now_us
from infra.errors import ClickHouseOverTimeError
from infra.queries import put_together
from management.errors import SearchTooWideError
from management.exports import EXPORT_SECONDS_MAX, ExportRequest
from management.log_pages import (
    COUNT_SECONDS_MAX,
    INDEXED_WIDTHS_US,
    SEARCH_SECONDS_MAX,
    TOTAL_ENOUGH,
    TOTAL_MAX,
    WIDTHS_US,
    LogPageMeta,
    LogRequest,
    Position,
    Scope,
    Total,
    meta_of,
    pieces,
    read_newest,
)
from management.paging import window_of, window_parameters

_SECONDS_MIN = 0.1
#: A delivery may be among the candidates more than once: when its request was written again, or its body deleted.
_CANDIDATES_PER_ROW = 8
#: Of what is counted at most, the first piece is to hold one part in so many; then so much longer ones, and the rest.
_COUNTED_FIRST, _COUNTED_GROWTH, _COUNTED_PIECES = 4, 8, 3
#: Once enough is counted, no piece is that would take longer.
_COUNTED_SECONDS_MAX = 0.15


class Candidates(NamedTuple):
    """Conditions of single rows as they were written; `held` is a PREWHERE of narrow columns, or nothing."""

    held: str
    text: str


class Conditions(NamedTuple):
    """Which rows are wanted: text of named blocks, each beginning with AND, and what they are bound to.

    `candidates`: whatever fits once it is merged has a row that fits one of these. They are found without merging,
    which is what takes long of wide columns, and by indexes, which rows that are to be merged must not be chosen by.
    `of_keys`: about the sort key alone, which all rows of what is merged share.
    """

    text: str
    parameters: Mapping[str, Any]
    candidates: Sequence[Candidates] = ()
    of_keys: bool = False

    @property
    def by_index(self) -> bool:
        """Whether an index finds the candidates, and not a search."""
        return bool(self.candidates) and not any(one.held for one in self.candidates)


def plain_conditions(wanted: BaseModel, names: Iterable[str], queries: Mapping[str, str], **parts: str) -> Conditions:
    """Of the filters that are given: each has a block `where_NAME` with one parameter, which is called as it is."""
    given = {name: value for name in names if (value := getattr(wanted, name)) not in (None, [])}
    text = "\n    ".join(put_together(queries, f"where_{name}", **parts) for name in given)
    return Conditions(text, {name: _bound(value) for name, value in given.items()})


def _bound(value: Any) -> Any:
    if isinstance(value, list):
        return [_bound(one) for one in value]
    return int(value) if isinstance(value, bool | int) else str(value)


class Log(NamedTuple):
    """One log: its statements `count`, `find` and `fetch`, and the column with a row's id.

    `find` answers `at_us`, the id and what else `fetch` needs: each column of it comes back as a list `found_COLUMN`.
    Where conditions have `candidates`, `find_candidates` answers those with `at_us`, and `find` takes their ids by a
    part `among`. Where conditions can be `of_keys`, `count_keys` counts without merging.
    """

    name: str
    id_column: str
    queries: Mapping[str, str]


class LogReader:
    """Raises as `infra.clickhouse.ClickHouse` does, and SearchTooWideError."""

    def __init__(self, clickhouse: ClickHouse, log: Log) -> None:
        self._clickhouse = clickhouse
        self._log = log

    def page(self, tenant_id: UUID, wanted: LogRequest, conditions: Conditions) -> tuple[Sequence[Row], LogPageMeta]:
        """The rows of a page, newest first, and what is told of it. Raises ValidationFailedError for a wrong cursor."""
        scope = Scope(self._log.name, tenant_id, wanted)
        begin = scope.read(wanted)
        bound = {"tenant_id": str(tenant_id), **conditions.parameters, **window_parameters(wanted)}
        bound |= {"limit": wanted.per_page + 1, **_behind(begin, bound["until_us"])}
        keys = self._keys(bound, conditions)
        shown = keys[: wanted.per_page]
        has_more = len(keys) > len(shown)
        total = self._total(bound, conditions, shown, has_more=has_more) if begin is None else begin.total
        next_cursor = None
        if has_more:
            page = wanted.page if begin is None else begin.page + 1
            next_cursor = scope.write(Position(shown[-1]["at_us"], shown[-1][self._log.id_column], page, total))
        return self._rows(tenant_id, shown), meta_of(wanted, begin, total, next_cursor)

    def export(
        self, tenant_id: UUID, wanted: ExportRequest, conditions: Conditions, *, block_rows_max: int, **parts: str
    ) -> AbstractContextManager[Iterator[list[Row]]]:
        """Blocks of all rows, in the order of the log's sort key. `parts` are of the statement `export`."""
        statement = put_together(self._log.queries, "export", conditions=conditions.text, **parts)
        since_us, until_us = window_of(wanted.since, wanted.until)
        bound = {"tenant_id": str(tenant_id), "since_us": since_us, "until_us": until_us, **conditions.parameters}
        return self._clickhouse.stream(statement, bound, block_rows_max=block_rows_max, seconds_max=EXPORT_SECONDS_MAX)

    def _keys(self, bound: Mapping[str, Any], conditions: Conditions) -> Sequence[Row]:
        deadline = time.monotonic() + SEARCH_SECONDS_MAX

        def ask(name: str, asked: Mapping[str, Any], text: str, **parts: str) -> Sequence[Row]:
            statement = put_together(self._log.queries, name, conditions=text, **parts)
            return self._clickhouse.query(statement, asked, seconds_max=max(deadline - time.monotonic(), _SECONDS_MIN))

        def find(since_us: int, until_us: int, limit: int) -> Sequence[Row]:
            piece = {**bound, "since_us": since_us, "until_us": until_us, "limit": limit}
            if conditions.candidates and not bound["offset"]:
                wanted = {**piece, "candidates_max": limit * _CANDIDATES_PER_ROW}
                found = [ask("find_candidates", wanted, **one._asdict()) for one in conditions.candidates]
                rows = find_among([row for rows in found for row in rows], piece)
                if len(rows) == limit or all(len(rows) < wanted["candidates_max"] for rows in found):
                    return rows
            return ask("find", piece, conditions.text, among="")

        def find_among(candidates: Sequence[Row], piece: Mapping[str, Any]) -> Sequence[Row]:
            if not candidates:
                return []
            times, ids = zip(*((one["at_us"], str(one[self._log.id_column])) for one in candidates), strict=True)
            among = {"candidate_id": sorted(set(ids)), "since_us": min(times), "until_us": max(times) + 1}
            return ask("find", {**piece, **among}, conditions.text, among=self._log.queries["candidates"])

        since_us, until_us, limit = bound["since_us"], bound["until_us"], bound["limit"]
        try:
            if bound["offset"]:  # rows that are passed over may lie in any piece
                return find(since_us, until_us, limit)
            widths_us = INDEXED_WIDTHS_US if conditions.by_index else WIDTHS_US
            return read_newest(find, since_us, until_us, min(until_us, now_us()), limit, widths_us=widths_us)
        except ClickHouseOverTimeError as error:
            raise SearchTooWideError(SEARCH_SECONDS_MAX) from error

    def _total(
        self, bound: Mapping[str, Any], conditions: Conditions, shown: Sequence[Row], *, has_more: bool
    ) -> Total:
        """Counted only where the page does not tell it, and only so far."""
        seen = bound["offset"] + len(shown)
        if not has_more and (shown or not bound["offset"]):
            return Total(seen, is_exact=True)
        statement = put_together(
            self._log.queries, "count_keys" if conditions.of_keys else "count", conditions=conditions.text
        )
        began = piece_began = time.monotonic()
        rows = 0
        try:
            for since_us, until_us in _counted(bound, conditions, shown, seen):
                took, piece_began = time.monotonic() - piece_began, time.monotonic()
                if rows >= TOTAL_ENOUGH and took * _COUNTED_GROWTH > _COUNTED_SECONDS_MAX:
                    return Total(max(rows, seen), is_exact=False)
                piece = {"since_us": since_us, "until_us": until_us, "total_max": TOTAL_MAX + 1 - rows}
                seconds_max = max(began + COUNT_SECONDS_MAX - time.monotonic(), _SECONDS_MIN)
                [counted] = self._clickhouse.query(statement, {**bound, **piece}, seconds_max=seconds_max)
                rows += int(counted["total"])
                if rows > TOTAL_MAX:
                    return Total(max(TOTAL_MAX, seen), is_exact=False)
        except ClickHouseOverTimeError:
            return Total(max(rows, seen + has_more), is_exact=False)
        return Total(rows, is_exact=True)

    def _rows(self, tenant_id: UUID, keys: Sequence[Row]) -> Sequence[Row]:
        if not keys:
            return []
        times = [key["at_us"] for key in keys]
        parameters: dict[str, Any] = {"tenant_id": str(tenant_id), "from_us": min(times), "until_us": max(times)}
        for column in keys[0].keys() - {"at_us"}:
            parameters[f"found_{column}"] = sorted({str(key[column]) for key in keys})
        return self._clickhouse.query(put_together(self._log.queries, "fetch"), parameters)


def _counted(
    bound: Mapping[str, Any], conditions: Conditions, shown: Sequence[Row], seen: int
) -> Iterator[tuple[int, int]]:
    """Pieces to count, each longer than the one before; the rows seen tell how long the first has to be."""
    since_us, until_us = bound["since_us"], bound["until_us"]
    if conditions.of_keys or not shown:
        return iter([(since_us, until_us)])
    newest_us = min(until_us, now_us())
    width_us = max(newest_us - shown[-1]["at_us"], 1) * TOTAL_MAX // (_COUNTED_FIRST * seen)
    widths_us = [width_us * _COUNTED_GROWTH**number for number in range(_COUNTED_PIECES)]
    return pieces(since_us, until_us, newest_us, widths_us)


def _behind(begin: Position | None, until_us: int) -> dict[str, Any]:
    """Parameters of where a page begins: rows older than `until_us` that come after the cursor's; 0: no cursor."""
    if begin is None:
        return {"before_us": 0, "before_id": str(UUID(int=0))}
    return {"before_us": begin.at_us, "before_id": str(begin.id), "until_us": min(until_us, begin.at_us + 1)}
