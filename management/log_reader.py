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
    SEARCH_SECONDS_MAX,
    TOTAL_MAX,
    LogPageMeta,
    LogRequest,
    Position,
    Scope,
    Total,
    meta_of,
    read_newest,
)
from management.paging import window_of, window_parameters

_SECONDS_MIN = 0.1
#: A delivery may be among the candidates more than once: when its request was written again, or its body deleted.
_CANDIDATES_PER_ROW = 8


class Conditions(NamedTuple):
    """Which rows are wanted: text of named blocks, each beginning with AND, and what they are bound to.

    `by_candidates`: they are about the sort key and about columns that are written together. A row that fits once it is
    merged then fitted before, so candidates are found without merging, which is what takes long of wide columns.
    """

    text: str
    parameters: Mapping[str, Any]
    by_candidates: bool = False


def plain_conditions(wanted: BaseModel, names: Iterable[str], queries: Mapping[str, str]) -> Conditions:
    """Of the filters that are given: each has a block `where_NAME` with one parameter, which is called as it is."""
    given = {name: value for name in names if (value := getattr(wanted, name)) not in (None, [])}
    text = "\n    ".join(queries[f"where_{name}"] for name in given)
    return Conditions(text, {name: _bound(value) for name, value in given.items()})


def _bound(value: Any) -> Any:
    if isinstance(value, list):
        return [_bound(one) for one in value]
    return int(value) if isinstance(value, bool | int) else str(value)


class Log(NamedTuple):
    """One log: its statements `count`, `find` and `fetch`, and the column with a row's id.

    `find` answers `at_us`, the id and what else `fetch` needs: each column of it comes back as a list `found_COLUMN`.
    Where conditions can be `by_candidates`, `find_candidates` answers ids, and `find` takes them by a part `among`.
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
        total = self._total(bound, conditions.text, len(shown), has_more=has_more) if begin is None else begin.total
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

        def ask(name: str, asked: Mapping[str, Any], **parts: str) -> Sequence[Row]:
            statement = put_together(self._log.queries, name, conditions=conditions.text, **parts)
            return self._clickhouse.query(statement, asked, seconds_max=max(deadline - time.monotonic(), _SECONDS_MIN))

        def find(since_us: int, until_us: int, limit: int) -> Sequence[Row]:
            piece = {**bound, "since_us": since_us, "until_us": until_us, "limit": limit}
            if conditions.by_candidates and not bound["offset"]:
                candidates_max = limit * _CANDIDATES_PER_ROW
                found = ask("find_candidates", {**piece, "candidates_max": candidates_max})
                ids = sorted({str(one[self._log.id_column]) for one in found})
                rows = ask("find", {**piece, "candidate_id": ids}, among=self._log.queries["candidates"]) if ids else []
                if len(rows) == limit or len(found) < candidates_max:
                    return rows
            return ask("find", piece, among="")

        since_us, until_us, limit = bound["since_us"], bound["until_us"], bound["limit"]
        try:
            if bound["offset"]:  # rows that are passed over may lie in any piece
                return find(since_us, until_us, limit)
            return read_newest(find, since_us, until_us, min(until_us, now_us()), limit)
        except ClickHouseOverTimeError as error:
            raise SearchTooWideError(SEARCH_SECONDS_MAX) from error

    def _total(self, bound: Mapping[str, Any], conditions: str, shown: int, *, has_more: bool) -> Total:
        """Counted only where the page does not tell it, and only so far."""
        seen = bound["offset"] + shown
        if not has_more and (shown or not bound["offset"]):
            return Total(seen, is_exact=True)
        statement = put_together(self._log.queries, "count", conditions=conditions)
        try:
            [counted] = self._clickhouse.query(
                statement, {**bound, "total_max": TOTAL_MAX + 1}, seconds_max=COUNT_SECONDS_MAX
            )
        except ClickHouseOverTimeError:
            return Total(seen + has_more, is_exact=False)
        rows = int(counted["total"])
        return Total(rows, is_exact=True) if rows <= TOTAL_MAX else Total(max(TOTAL_MAX, seen), is_exact=False)

    def _rows(self, tenant_id: UUID, keys: Sequence[Row]) -> Sequence[Row]:
        if not keys:
            return []
        times = [key["at_us"] for key in keys]
        parameters: dict[str, Any] = {"tenant_id": str(tenant_id), "from_us": min(times), "until_us": max(times)}
        for column in keys[0].keys() - {"at_us"}:
            parameters[f"found_{column}"] = sorted({str(key[column]) for key in keys})
        return self._clickhouse.query(put_together(self._log.queries, "fetch"), parameters)


def _behind(begin: Position | None, until_us: int) -> dict[str, Any]:
    """Parameters of where a page begins: rows older than `until_us` that come after the cursor's; 0: no cursor."""
    if begin is None:
        return {"before_us": 0, "before_id": str(UUID(int=0))}
    return {"before_us": begin.at_us, "before_id": str(begin.id), "until_us": min(until_us, begin.at_us + 1)}
