"""Requests to compare: from the log where it has them whole, else from Kafka.

The log has a body byte for byte unless something in it is masked, or it is deleted by now. It is asked first, because
a block of it is read in one go, and no consumer of the broker has to wait for that.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

from infra.clickhouse import Row
from infra.requests.bindings import PlannedRequest, planned_request
from infra.settings import KafkaSettings
from management.replaying.places import FoundRecord, Lost, Place
from management.replaying.reading import RecordReader
from management.replaying.stored import ERASED, NOT_RECORDED, found_or_stored, place_of, stored_record
from schemas.headers import RecordPlace

_READ_SECONDS_MAX = 60.0
_CLIENT_ID = "hookline-management-comparisons"
#: Reasons that totals tell apart.
LOST = "lost"
_CODES = {ERASED: "erased", NOT_RECORDED: "not_recorded"}


class NotComparable(NamedTuple):
    """A request that cannot be had. `code` is of a closed set, `reason` says it in words."""

    code: str
    reason: str


class RequestSource:
    """For one thread at a time; ends with the context. Raises KafkaUnavailableError where Kafka is needed and away."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._reader: RecordReader | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reader is not None:
            self._reader.__exit__(kind, error, trace)
            self._reader = None

    @property
    def reader(self) -> RecordReader:
        """A consumer, made when it is needed."""
        if self._reader is None:
            self._reader = RecordReader(self._settings, _CLIENT_ID)
        return self._reader

    def find(self, rows: Sequence[Row]) -> list[FoundRecord | NotComparable]:
        """The request of each row, which has the columns that `management.replaying.stored` reads."""
        stored = [stored_record(row) for row in rows]
        wanted = [place_of(row) for row, found in zip(rows, stored, strict=True) if _may_be_in_kafka(found)]
        places = [place for place in wanted if place is not None]
        read = self.reader.read(places, seconds_max=_READ_SECONDS_MAX) if places else {}
        return [_chosen(row, found, read) for row, found in zip(rows, stored, strict=True)]


def planned_of(found: FoundRecord) -> PlannedRequest:
    """The request as plans read it."""
    return planned_request(found.value, found.headers, partial(RecordPlace, *found.place, found.timestamp_ms))


def _may_be_in_kafka(found: FoundRecord | Lost) -> bool:
    return isinstance(found, Lost) and found.reason not in _CODES


def _chosen(
    row: Row, stored: FoundRecord | Lost, read: Mapping[Place, FoundRecord | Lost]
) -> FoundRecord | NotComparable:
    place = place_of(row)
    found = stored if place is None or place not in read else found_or_stored(read[place], row)
    return NotComparable(_CODES.get(found.reason, LOST), found.reason) if isinstance(found, Lost) else found
