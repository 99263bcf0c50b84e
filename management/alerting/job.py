"""Looks at the rules while it leads, and stands by while another management process does.

The lead keeps work from being done twice. Nothing depends on it: an alert is opened or closed once whoever does it.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from infra import metrics
from infra.clickhouse import ClickHouse
from infra.clock import MICROSECONDS, now_us
from infra.log import get_logger
from infra.postgres import Connection
from infra.role import PartHealth
from infra.settings import Settings
from management.alerting.evaluation import Evaluation
from management.alerting.session import AlertSession
from management.group_watch import GroupWatch
from management.leading import LedWork

_LATE_INTERVALS = 3
_LATE_SECONDS_MIN = 60.0
_log = get_logger(__name__)


class AlertJob(LedWork):
    """The part `alerts`."""

    name = "alerts"
    lock_key = 0x686C20616C657274  # "hl alert"
    idle_seconds_max = 180
    leader_gauge = metrics.ALERTS_LEADER

    def __init__(self, settings: Settings, clickhouse: ClickHouse, watch: GroupWatch) -> None:
        self.look_seconds = settings.alerts.interval_seconds
        super().__init__(settings.postgres)
        self._settings = settings
        self._clickhouse = clickhouse
        self._watch = watch
        self._evaluation: Evaluation | None = None
        self._looked_at_us: int | None = None
        self._leads_since_us = 0
        self._open = (0, 0)

    def health(self) -> PartHealth:
        """Not ready either when it leads and its last look is long ago."""
        found = super().health()
        reasons = found.reasons
        if self.leads and (late_seconds := self._late_seconds()) > 0:
            reasons = (*reasons, f"the rules were last looked at {late_seconds:.0f} s ago")
        open_alerts, open_installation_alerts = self._open
        details = {
            **found.details,
            "open_alerts": open_alerts,
            "open_installation_alerts": open_installation_alerts,
        }
        if self._looked_at_us is not None:
            details["last_evaluated_at_us"] = self._looked_at_us
        return replace(found, ready=not reasons, reasons=reasons, details=details)

    def begin(self) -> None:
        """What is learnt is learnt anew: it may be old."""
        self._leads_since_us, self._looked_at_us = now_us(), None
        self._evaluation = Evaluation(self._settings, self._clickhouse, self._watch)

    def end(self) -> None:
        """Who leads counts what is open."""
        if self._evaluation is not None:
            self._evaluation.close()
        self._evaluation = None
        self._note_open((0, 0))

    def step(self, connection: Connection) -> Sequence[str]:
        """Look at every rule once; which were left out, and why. Raises PostgresUnavailableError."""
        assert self._evaluation is not None  # noqa: S101 - it leads
        started = time.monotonic()
        written, troubles = self._evaluation.look(AlertSession(connection), now_us())
        seconds = time.monotonic() - started
        self._looked_at_us = now_us()
        metrics.ALERT_EVALUATIONS.labels("failed" if troubles else "ended").inc()
        metrics.ALERT_EVALUATION_SECONDS.observe(seconds)
        metrics.ALERTS_LAST_EVALUATION.set(self._looked_at_us / MICROSECONDS)
        metrics.ALERTS_RAISED.inc(written.raised)
        metrics.ALERTS_RESOLVED.inc(written.resolved)
        if any(written):
            _log.warning(
                "alerts.changed",
                raised=written.raised,
                resolved=written.resolved,
                milliseconds=round(seconds * 1_000, 1),
            )
        return troubles

    def observe(self, connection: Connection) -> None:
        """The figures of the one that leads."""
        if self.leads:
            self._note_open(AlertSession(connection).count_open())

    def _late_seconds(self) -> float:
        """How long ago the last look was, once that is too long; else 0."""
        bound = max(_LATE_SECONDS_MIN, _LATE_INTERVALS * self.look_seconds)
        age = (now_us() - (self._looked_at_us or self._leads_since_us)) / MICROSECONDS
        return age if age > bound else 0.0

    def _note_open(self, counts: tuple[int, int]) -> None:
        self._open = counts
        metrics.ALERTS_OPEN.set(counts[0])
        metrics.INSTALLATION_ALERTS_OPEN.set(counts[1])
