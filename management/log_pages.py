"""Pages of the logs: by number as every list, or from one to the next by a cursor, which new rows do not move.

A cursor says behind which row the next page begins. It belongs to one list of one tenant with its filters.
"""

import base64
import binascii
import struct
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from infra.clickhouse import Row
from infra.clock import MICROSECONDS
from management.errors import Problem, ValidationFailedError
from management.paging import PAGE_MAX, PageMeta, PageRequest

#: Beyond so many rows a list is not counted: `total` is then at least that. Where counting takes long, so many do.
TOTAL_MAX, TOTAL_ENOUGH = 10_000, 1_000
#: A page, and its count, may take so long; then the answer says what to narrow.
SEARCH_SECONDS_MAX = 20.0
COUNT_SECONDS_MAX = 2.0
CURSOR_LENGTH_MAX = 128
_HOUR_US = 3_600 * MICROSECONDS
#: How far back a page is looked for, step by step: the newest rows usually fill it, and the rest need not be read.
WIDTHS_US = (_HOUR_US, 24 * _HOUR_US, 7 * 24 * _HOUR_US, 31 * 24 * _HOUR_US)
#: What is found by an index is rare, and is looked for everywhere at once, unless the last day has a page of it.
INDEXED_WIDTHS_US = (24 * _HOUR_US,)
_SCOPE_BYTES = 8
#: Scope, time in microseconds, id, number of the page, total and whether it is exact.
_LAYOUT = struct.Struct(f">{_SCOPE_BYTES}sQ16sIQ?")

Item = TypeVar("Item")
#: From since until (microseconds) at most so many rows.
Find = Callable[[int, int, int], Sequence[Row]]


class LogRequest(PageRequest):
    """Which part of a log is asked for. `cursor` is a page's `meta.next_cursor`, with the same filters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cursor: str | None = Field(default=None, min_length=1, max_length=CURSOR_LENGTH_MAX)


class LogPageMeta(PageMeta):
    """`total` is as counted for the first page, and the least there are where `total_is_exact` is false.

    `next_cursor` is null on the last page.
    """

    total_is_exact: bool
    next_cursor: str | None


class LogPage(BaseModel, Generic[Item]):
    """One page of a log, newest first."""

    data: list[Item]
    meta: LogPageMeta


class Total(NamedTuple):
    """How many rows a list has; not exact: at least so many."""

    rows: int
    is_exact: bool


class Position(NamedTuple):
    """The last row of a page, the page's number, and what the first page counted."""

    at_us: int
    id: UUID
    page: int
    total: Total


class Scope:
    """What a cursor is good for: one list of one tenant, with its filters."""

    def __init__(self, list_name: str, tenant_id: UUID, wanted: LogRequest) -> None:
        filters = wanted.model_dump_json(exclude={"page", "per_page", "cursor"})
        text = f"{list_name}\n{tenant_id}\n{filters}"
        self._digest = blake2b(text.encode("utf-8", "replace"), digest_size=_SCOPE_BYTES).digest()

    def write(self, position: Position) -> str:
        """The position as a cursor."""
        at_us, id_, page, (rows, is_exact) = position
        packed = _LAYOUT.pack(self._digest, at_us, id_.bytes, page, rows, is_exact)
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()

    def read(self, wanted: LogRequest) -> Position | None:
        """Where the page asked for begins; None: not behind a cursor. Raises ValidationFailedError."""
        if wanted.cursor is None:
            return None
        if wanted.page != 1:
            raise ValidationFailedError([Problem("page", "goes without cursor: a cursor says where its page begins")])
        try:
            packed = base64.b64decode(wanted.cursor + "=" * (-len(wanted.cursor) % 4), b"-_", validate=True)
            digest, at_us, id_bytes, page, rows, is_exact = _LAYOUT.unpack(packed)
        except (binascii.Error, struct.error, ValueError):
            raise _not_a_cursor("is none that this list has given") from None
        if digest != self._digest:
            raise _not_a_cursor("belongs to another list or to other filters: begin again without it")
        return Position(at_us, UUID(bytes=id_bytes), page, Total(rows, is_exact))


def _not_a_cursor(message: str) -> ValidationFailedError:
    return ValidationFailedError([Problem("cursor", message)])


def pieces(since_us: int, until_us: int, newest_us: int, widths_us: Sequence[int]) -> Iterator[tuple[int, int]]:
    """[since_us, until_us) in pieces from its end: as far back from `newest_us` as each width says, then the rest."""
    end_us = until_us
    for from_us in (*(newest_us - width_us for width_us in widths_us), since_us):
        begin_us = max(from_us, since_us)
        if begin_us < end_us:
            yield begin_us, end_us
            end_us = begin_us


def read_newest(
    find: Find,
    since_us: int,
    until_us: int,
    newest_us: int,
    rows_wanted: int,
    *,
    widths_us: Sequence[int] = WIDTHS_US,
) -> Sequence[Row]:
    """The newest `rows_wanted` rows of [since_us, until_us): ever wider pieces of it are read, back from `newest_us`.

    `find` answers the newest rows of a piece, at most as many as it is given. No piece is read twice.
    """
    found: list[Row] = []
    for begin_us, end_us in pieces(since_us, until_us, newest_us, widths_us):
        found += find(begin_us, end_us, rows_wanted - len(found))
        if len(found) >= rows_wanted:
            break
    return found


def meta_of(wanted: LogRequest, begin: Position | None, total: Total, next_cursor: str | None) -> LogPageMeta:
    """What is told of a page; one behind a cursor counts on from the page before."""
    page = wanted.page if begin is None else min(begin.page + 1, PAGE_MAX)
    return LogPageMeta(
        page=page,
        per_page=wanted.per_page,
        total=total.rows,
        total_is_exact=total.is_exact,
        next_cursor=next_cursor,
    )
