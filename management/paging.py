"""Pages: `page` from 1, `per_page` up to 100, and what every list answers."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from infra.clock import MICROSECONDS
from infra.postgres import Connection, Row
from management.moments import Moment

PAGE_MAX = 10_000
PER_PAGE_MAX = 100
#: ClickHouse's times: from 1970 to the year 2100 hold whatever is stored.
LAST_US = 4_102_444_800 * MICROSECONDS

#: A delivery carries another time than its id says, by less than this.
_ID_MARGIN_US = MICROSECONDS

Item = TypeVar("Item")


class PageRequest(BaseModel):
    """Which part of a list is asked for, and of which time."""

    model_config = ConfigDict(frozen=True)

    page: int = Field(default=1, ge=1, le=PAGE_MAX)
    per_page: int = Field(default=25, ge=1, le=PER_PAGE_MAX)
    since: Moment | None = None
    until: Moment | None = None


class PageMeta(BaseModel):
    """Where a page stands; `total` counts the whole list."""

    page: int
    per_page: int
    total: int


class Page(BaseModel, Generic[Item]):
    """One page of a list, newest first."""

    data: list[Item]
    meta: PageMeta


PageQuery = Annotated[PageRequest, Query()]


def window_parameters(request: PageRequest) -> dict[str, int]:
    """Query parameters of a page and its time window, in microseconds: [since_us, until_us)."""
    since_us, until_us = window_of(request.since, request.until)
    return {
        "since_us": since_us,
        "until_us": until_us,
        "limit": request.per_page,
        "offset": (request.page - 1) * request.per_page,
    }


def window_of(since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """A time window in microseconds; without a bound as far as stored times go."""
    since_us = 0 if since is None else _stored(microseconds(since))
    return since_us, LAST_US if until is None else _stored(microseconds(until))


def window_of_ids(delivery_ids: Iterable[UUID | str]) -> tuple[int, int]:
    """When deliveries with these ids were received, in microseconds; all times where an id does not say it."""
    ids = [one if isinstance(one, UUID) else UUID(one) for one in delivery_ids]
    if not ids or any(one.version != 7 for one in ids):
        return 0, LAST_US
    times_us = [(one.int >> 80) * 1_000 for one in ids]
    return max(0, min(times_us) - _ID_MARGIN_US), min(max(times_us) + _ID_MARGIN_US, LAST_US)


def page_parameters(request: PageRequest) -> dict[str, Any]:
    """Query parameters of a page in Postgres: `since` ≤ t < `until` (None: no bound), `limit`, `offset`."""
    return {
        "since": request.since,
        "until": request.until,
        "limit": request.per_page,
        "offset": (request.page - 1) * request.per_page,
    }


def read_page(
    connection: Connection, statements: Mapping[str, str], parameters: Mapping[str, Any], *, count: str, rows: str
) -> tuple[list[Row], int]:
    """What a list answers, by the names of its two statements: the rows of a page, and how many there are in all."""
    counted = connection.execute(statements[count].encode(), parameters).fetchone()
    found = connection.execute(statements[rows].encode(), parameters).fetchall()
    return found, 0 if counted is None else int(counted["total"])


def microseconds(moment: datetime) -> int:
    """Microseconds since the epoch, exactly."""
    whole_seconds = int(moment.replace(microsecond=0).timestamp())
    return whole_seconds * MICROSECONDS + moment.microsecond


def _stored(at_us: int) -> int:
    return min(max(at_us, 0), LAST_US)
