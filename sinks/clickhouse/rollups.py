"""Keeps the rollups of `deliveries` per minute and hour: counts the minutes anew that have marks not counted yet.

A row of a rollup is made of the rows of the log as a whole, never added to. Whatever dies, the marks stay, and the
minute is counted again; two processes at once do the same work twice, and the row that has seen more stays (ADR 0017).
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import metrics
from infra.clickhouse import ClickHouse
from infra.clock import MICROSECONDS
from infra.errors import ClickHouseRefusedError, ClickHouseUnavailableError
from infra.log import get_logger
from infra.queries import load_queries
from infra.settings import SlaSettings

_QUERIES = Path(__file__).parent / "rollups.sql"
#: Older minutes are never counted anew: retention may have begun to delete their rows, a week after receipt at the
#: earliest; the day between is for a count that is under way.
RECOUNT_SECONDS = 6 * 86_400
#: How long a mark may take from its time to its being seen; a sweep finds what took longer.
_MARKED_SECONDS = 900
_SWEEP_SECONDS = 3_600.0
#: Each array of a statement's parameters must stay below the server's 128 KiB for one field.
_MINUTES_MAX = 2_000
_MINUTE_SECONDS = 60
#: Counting rests so many times as long as it took, or it would count minutes that are being filled again and again,
#: with processor time that whoever fills them needs: behind a backlog it ran for 18 of 62 seconds.
_REST_FACTOR, _REST_SECONDS_MAX = 4.0, 60.0

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Picked:
    """Minutes to count with the marks that were read before their rows, element by element."""

    tenant_ids: Sequence[str]
    webhook_ids: Sequence[str]
    minutes: Sequence[int]
    marks: Sequence[int]

    def parameters(self) -> dict[str, Any]:
        """As the statements take them; `from_seconds` and `until_seconds` bound the minutes."""
        return {
            "tenant_ids": self.tenant_ids,
            "webhook_ids": self.webhook_ids,
            "minutes": self.minutes,
            "marks": self.marks,
            "from_seconds": min(self.minutes),
            "until_seconds": max(self.minutes) + _MINUTE_SECONDS,
        }


class Rollups:
    """Counts what is marked. Raises as `ClickHouse` does; what was not finished is counted again by the next call."""

    def __init__(self, clickhouse: ClickHouse, sla: SlaSettings) -> None:
        self._clickhouse = clickhouse
        self._targets_us = [int(seconds * MICROSECONDS) for seconds in sla.by_priority]
        self._queries = load_queries(_QUERIES)

    def mark_unmarked(self) -> None:
        """Mark the minutes whose rows came in some other way than through the sink, or before there were marks."""
        self._clickhouse.execute(self._queries["mark_unmarked"], {"recount_seconds": RECOUNT_SECONDS})

    def count_marked(self, *, sweep: bool) -> int:
        """Count up to 2,000 marked minutes, newest first; how many. `sweep` looks at old marks too."""
        picked = self._pick(RECOUNT_SECONDS if sweep else _MARKED_SECONDS)
        if not picked.minutes:
            return 0
        parameters = {**picked.parameters(), "targets_us": self._targets_us}
        for name in ("count_minutes", "count_hours", "note_counted"):
            self._clickhouse.execute(self._queries[name], parameters)
        return len(picked.minutes)

    def _pick(self, marked_seconds: int) -> _Picked:
        bounds = {"recount_seconds": RECOUNT_SECONDS, "marked_seconds": marked_seconds, "limit": _MINUTES_MAX}
        rows = self._clickhouse.query(self._queries["pick_minutes"], bounds)
        return _Picked(
            [str(row["tenant_id"]) for row in rows],
            [str(row["webhook_id"]) for row in rows],
            [row["minute_seconds"] for row in rows],
            [row["mark_count"] for row in rows],
        )


def rest_of(count_seconds: float, interval_seconds: float) -> float:
    """Seconds until the next count: the interval, longer behind a count that took long."""
    return max(interval_seconds, min(_REST_FACTOR * count_seconds, _REST_SECONDS_MAX))


class RollupLoop:
    """Counts at an interval while `leads` says that this process is the one to; `run` is for a thread of its own."""

    def __init__(
        self,
        clickhouse: ClickHouse,
        sla: SlaSettings,
        *,
        interval_seconds: float,
        leads: Callable[[], bool],
        stopping: threading.Event,
    ) -> None:
        self.trouble: str | None = None
        self._rollups = Rollups(clickhouse, sla)
        self._interval_seconds = interval_seconds
        self._leads = leads
        self._stopping = stopping
        self._swept_at: float | None = None

    def run(self) -> None:
        """Blocks until stopped."""
        rest_seconds = self._interval_seconds
        while not self._stopping.wait(rest_seconds):
            began = time.monotonic()
            leads = self._leads()
            metrics.ANALYTICS_ROLLUP_LEADER.set(int(leads))
            if leads:
                self._count()
            else:
                self.trouble, self._swept_at = None, None
            rest_seconds = rest_of(time.monotonic() - began, self._interval_seconds)

    def _count(self) -> None:
        try:
            self._count_all()
        except (ClickHouseUnavailableError, ClickHouseRefusedError) as error:
            metrics.ANALYTICS_ROLLUP_FAILURES.inc()
            if self.trouble is None:
                _log.warning("analytics.rollups.waiting", reason=str(error))
            self.trouble, self._swept_at = str(error), None
        else:
            self.trouble = None
            metrics.ANALYTICS_ROLLUP_LAST.set_to_current_time()

    def _count_all(self) -> None:
        """Until no minute is left. After a failure, a change of leader or an hour, old marks are looked at too."""
        started = time.monotonic()
        sweep = self._swept_at is None or started - self._swept_at > _SWEEP_SECONDS
        if self._swept_at is None:
            self._rollups.mark_unmarked()
        total = 0
        counted = _MINUTES_MAX
        while counted == _MINUTES_MAX and not self._stopping.is_set():
            counted = self._rollups.count_marked(sweep=sweep)
            total += counted
            metrics.ANALYTICS_ROLLUP_MINUTES.inc(counted)
        seconds = time.monotonic() - started
        if sweep:
            self._swept_at = started
        if total:
            metrics.ANALYTICS_ROLLUP_SECONDS.observe(seconds)
            _log.info("analytics.rollups.counted", minutes=total, sweep=sweep, seconds=round(seconds, 4))
