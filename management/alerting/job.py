"""The thread that looks at the rules while it leads, and stands by while another management process does.

The lead keeps work from being done twice. Nothing depends on it: an alert is opened or closed once whoever does it.
"""

import threading
import time
from contextlib import closing

from infra import metrics
from infra.clickhouse import ClickHouse
from infra.clock import MICROSECONDS, now_us
from infra.errors import PostgresUnavailableError
from infra.log import get_logger
from infra.role import PartHealth
from infra.settings import Settings
from management.alerting.evaluation import Evaluation
from management.alerting.session import AlertSession, alert_session
from management.group_watch import GroupWatch

_STANDBY_SECONDS = 1.0
_RETRY_SECONDS = 1.0
#: After a look at rules whose stores had no answer: the part is not ready until one ends.
_LOOK_AGAIN_SECONDS = 5.0
#: The server hears of the session so often, and the gauges follow what tenants see.
_OBSERVE_SECONDS = 5.0
_LATE_INTERVALS = 3
_LATE_SECONDS_MIN = 60.0
_log = get_logger(__name__)


class AlertJob:
    """Implements `infra.role.Role`."""

    name = "alerts"

    def __init__(self, settings: Settings, clickhouse: ClickHouse, watch: GroupWatch) -> None:
        self._settings = settings
        self._clickhouse = clickhouse
        self._watch = watch
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        self._state = "starting"
        self._troubles: tuple[str, ...] = ()
        self._looked_at_us: int | None = None
        self._leads_since_us = 0
        self._open = (0, 0)

    def start(self) -> None:
        """Returns at once, also while the stores are away."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Finish the look at hand and give the lead away."""
        self._stopping.set()
        self._thread.join(timeout_seconds)

    def health(self) -> PartHealth:
        """Ready when it stands by, or when it leads and its last look was whole and not long ago."""
        reasons = list(self._troubles)
        if not self._thread.is_alive():
            reasons.append("the evaluation of alerts does not run")
        elif self._state == "leader" and self._late_seconds() > 0:
            reasons.append(f"the rules were last looked at {self._late_seconds():.0f} s ago")
        details: dict[str, str | int | float | bool] = {
            "state": self._state,
            "open_alerts": self._open[0],
            "open_installation_alerts": self._open[1],
        }
        if self._looked_at_us is not None:
            details["last_evaluated_at_us"] = self._looked_at_us
        return PartHealth(self.name, ready=not reasons, reasons=tuple(reasons), details=details)

    def _late_seconds(self) -> float:
        """How long ago the last look was, once that is too long; else 0."""
        bound = max(_LATE_SECONDS_MIN, _LATE_INTERVALS * self._settings.alerts.interval_seconds)
        age = (now_us() - (self._looked_at_us or self._leads_since_us)) / MICROSECONDS
        return age if age > bound else 0.0

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with alert_session(self._settings.postgres) as session:
                    self._serve(session)
            except PostgresUnavailableError as error:
                self._note_state("starting")
                self._note_troubles([str(error)])
                self._stopping.wait(_RETRY_SECONDS)
        self._note_state("starting")

    def _serve(self, session: AlertSession) -> None:
        while not self._stopping.is_set():
            if session.try_lead():
                self._leads_since_us, self._looked_at_us = now_us(), None
                self._note_state("leader")
                with closing(Evaluation(self._settings, self._clickhouse, self._watch)) as evaluation:
                    self._lead(session, evaluation)
                return
            self._note_state("standby")
            self._note_troubles([])
            self._stopping.wait(_STANDBY_SECONDS)

    def _lead(self, session: AlertSession, evaluation: Evaluation) -> None:
        _log.info("alerts.leads")
        while not self._stopping.is_set():
            began_at, interval_seconds = time.monotonic(), self._settings.alerts.interval_seconds
            self._look(session, evaluation)
            due_at = began_at + (min(interval_seconds, _LOOK_AGAIN_SECONDS) if self._troubles else interval_seconds)
            while not self._stopping.is_set() and (left := due_at - time.monotonic()) > 0:
                self._note_open(session.count_open())
                self._stopping.wait(min(left, _OBSERVE_SECONDS))

    def _look(self, session: AlertSession, evaluation: Evaluation) -> None:
        started = time.monotonic()
        written, troubles = evaluation.look(session, now_us())
        seconds = time.monotonic() - started
        self._looked_at_us = now_us()
        self._note_troubles(troubles)
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

    def _note_state(self, state: str) -> None:
        self._state = state
        metrics.ALERTS_LEADER.set(int(state == "leader"))
        if state != "leader":  # who leads counts them
            self._note_open((0, 0))

    def _note_open(self, counts: tuple[int, int]) -> None:
        self._open = counts
        metrics.ALERTS_OPEN.set(counts[0])
        metrics.INSTALLATION_ALERTS_OPEN.set(counts[1])

    def _note_troubles(self, troubles: list[str]) -> None:
        if troubles and not self._troubles:
            _log.warning("alerts.waiting", reasons=troubles)
        self._troubles = tuple(troubles)
