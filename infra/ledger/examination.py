"""One examination: the log held against the topics and the attestations, for some hours, and what differs."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from infra.clickhouse import Row
from infra.clock import HOUR_US, MICROSECONDS
from infra.groups import analytics_group_id
from infra.ledger.core.counts import Difference, HourCounts, Kind, Misplaced, differences_of, disagreements
from infra.ledger.core.frontier import Frontier, Positions, is_past
from infra.ledger.log import Account, LoggedDeliveries, Stretch, Window
from infra.ledger.places import RAW_TOPICS, Places
from infra.log import get_logger
from infra.settings import Settings
from infra.topics import ACCEPTED, ACTIONS, EXPEDITED_ACTIONS, RECORDED, load_topics
from schemas import headers as record_headers
from schemas.headers import HeaderError

#: Of each kind and partition, in one examination. More than that is told in the log; the rest comes with the next one.
MISPLACED_MAX = 10_000
_MISSING = "in the topic, but not in the log"
_TWICE_WRITTEN = "its delivery is in the log by another place: it was written to the topic twice"
_TWICE_LOGGED = "two deliveries in the log are of this one record"
_UNWRITTEN = "acknowledged to a receiver, but no such record is in the topic"
_ENDLESS = "every stage is past it, and no outcome is in the log"
_OFFSET_LAST = 2**62
_ADVANCE_SECONDS = 0.5
_RETENTION_US = MICROSECONDS * min(load_topics()[name].retention_seconds or 0 for name in RAW_TOPICS)
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Examination:
    """`checked_us` are the hours of which nothing more can come; the others are still filled.

    `retained_since_us`: from then on every record is still in its topic, and each offset was looked for.
    `judged_outcomes`: whether late outcomes could be told from those that are on their way.
    """

    window: Window
    counts: Mapping[Account, HourCounts]
    differences: tuple[Difference, ...]
    checked_us: frozenset[int]
    retained_since_us: int
    judged_outcomes: bool


@dataclass(slots=True)
class Examiner:
    """Makes examinations. `frontier` goes on from one to the next; use one examiner per thread."""

    settings: Settings
    logged: LoggedDeliveries
    frontier: Frontier = field(init=False)

    def __post_init__(self) -> None:
        self.frontier = Frontier(
            (
                (self.settings.processors.group_id, RAW_TOPICS),
                (self.settings.actions.group_id, (ACTIONS, EXPEDITED_ACTIONS)),
                (self._group("outcomes"), (RECORDED,)),
            )
        )

    def examine(self, places: Places, window: Window, now_us: int, *, patience_seconds: float = 0.0) -> Examination:
        """`patience_seconds`: how long to wait until outcomes can be judged as of now.

        Raises as ClickHouse does, and KafkaUnavailableError.
        """
        positions = self._advance(places, patience_seconds)
        stretches = self._stretches(places, window, positions)
        checked = frozenset(hour for hour in window.hours_us if self._is_stored(places, hour, positions, now_us))
        misplaced = [one for stretch in stretches for one in self._misplaced(places, window, stretch)]
        misplaced += self._beyond(places, window, positions)
        counts, retained_since_us = self.logged.counts(window), now_us - _RETENTION_US
        judged = bool(self.frontier.ends)
        if judged and any(count.pending for count in counts.values()):
            misplaced += [one for stretch in stretches for one in self._late(window, stretch)]
        known = differences_of(one for one in misplaced if window.tenant_id in ("", one.tenant_id))
        for account, count in counts.items():
            if account[1] in checked and account[1] >= retained_since_us:
                of_hour = [one for one in known if (one.tenant_id, one.hour_us) == account]
                known += disagreements(*account, count, of_hour)
        return Examination(window, counts, tuple(known), checked, retained_since_us, judged)

    def _advance(self, places: Places, patience_seconds: float) -> Positions:
        deadline = time.monotonic() + patience_seconds
        while True:
            positions = places.positions()
            if self.frontier.advance(positions) or time.monotonic() >= deadline:
                return positions
            time.sleep(_ADVANCE_SECONDS)

    def _group(self, consumer: str) -> str:
        return analytics_group_id(self.settings.analytics, consumer)

    def _stretches(self, places: Places, window: Window, positions: Positions) -> list[Stretch]:
        """What the window's hours are in the raw topics, as far as the sink is."""
        committed = positions.committed[self._group("requests")]
        incarnations = places.incarnations()
        starts, ends = places.starts(RAW_TOPICS, window.since_us), places.starts(RAW_TOPICS, window.until_us)
        found = [
            Stretch(place, incarnations[place[0]], first, min(ends[place], committed.get(place, 0)))
            for place, first in starts.items()
        ]
        return [stretch for stretch in found if stretch.end > stretch.first]

    def _is_stored(self, places: Places, hour_us: int, positions: Positions, now_us: int) -> bool:
        """Whether the hour is over, and all that was written until the grace after it has gone into the log."""
        until_us = hour_us + HOUR_US + int(self.settings.ledger.grace_seconds * MICROSECONDS)
        if now_us < until_us:
            return False
        for consumer, topics in (("requests", RAW_TOPICS), ("outcomes", (RECORDED,)), ("attestations", (ACCEPTED,))):
            if not is_past(positions.committed[self._group(consumer)], places.starts(topics, until_us)):
                return False
        return True

    def _misplaced(self, places: Places, window: Window, stretch: Stretch) -> Iterator[Misplaced]:
        found: dict[int, Misplaced] = {}
        if not self.logged.is_whole(window, stretch):
            for one in self._missing(places, self.logged.gaps(window, stretch, MISPLACED_MAX), stretch):
                found[one.offset] = one
            doubled = self.logged.doubled(window, stretch, MISPLACED_MAX)
            yield from _of_rows(stretch, doubled, Kind.DUPLICATE, _TWICE_LOGGED)
            for one in self._unlogged(window, stretch):
                found.setdefault(one.offset, one)
        yield from found.values()

    def _unlogged(self, window: Window, stretch: Stretch) -> Iterator[Misplaced]:
        unlogged = self.logged.unlogged(window, stretch, MISPLACED_MAX)
        return _of_rows(stretch, unlogged, Kind.LOSS, _UNWRITTEN)

    def _beyond(self, places: Places, window: Window, positions: Positions) -> list[Misplaced]:
        """Attested places at which the topic has not arrived yet, or not any more."""
        found: list[Misplaced] = []
        for place, end in positions.ends.items():
            if place[0] in RAW_TOPICS:
                beyond = list(self._unlogged(window, Stretch(place, "", end, _OFFSET_LAST)))
                end_now = places.bounds(place)[1] if beyond else 0
                found += [one for one in beyond if one.offset >= end_now]
        return found

    def _missing(self, places: Places, gaps: list[tuple[int, int]], stretch: Stretch) -> Iterator[Misplaced]:
        """Offsets that the log has not, by what stands there in the topic."""
        if not gaps:
            return
        records = places.read(stretch.place, gaps, records_max=MISPLACED_MAX)
        missing = sum(last - first + 1 for first, last in gaps)
        _log.error("ledger.gaps", topic=stretch.place[0], partition=stretch.place[1], gaps=gaps[:20], offsets=missing)
        read = {}
        for offset, message in records.items():
            try:
                read[offset] = record_headers.decode(message.headers())
            except HeaderError as error:
                # Nobody's: it should be among the records that could not be read, and is not.
                _log.error(
                    "ledger.record.lost", place=f"{stretch.place[0]}-{stretch.place[1]}:{offset}", why=str(error)
                )
        ids = [headers.delivery_id for headers in read.values()]
        known = self.logged.known([headers.tenant_id for headers in read.values()], ids) if ids else set()
        for offset, headers in read.items():
            hour_us = headers.received_at_us // HOUR_US * HOUR_US
            twice = headers.delivery_id in known
            kind, why = (Kind.DUPLICATE, _TWICE_WRITTEN) if twice else (Kind.LOSS, _MISSING)
            yield Misplaced(headers.tenant_id, hour_us, kind, *stretch.place, offset, why)

    def _late(self, window: Window, stretch: Stretch) -> Iterator[Misplaced]:
        end = min(self.frontier.ends.get(stretch.place, 0), stretch.end)
        upto = Stretch(stretch.place, stretch.incarnation, stretch.first, end)
        yield from _of_rows(stretch, self.logged.pending(window, upto, MISPLACED_MAX), Kind.LATE_PENDING, _ENDLESS)


def _of_rows(stretch: Stretch, rows: list[Row], kind: Kind, why: str) -> Iterator[Misplaced]:
    for row in rows:
        hour_us = int(row["hour_seconds"]) * MICROSECONDS
        yield Misplaced(row["tenant"], hour_us, kind, *stretch.place, int(row["place"]), why)
