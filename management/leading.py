"""Work that one of all management processes does, time and again: whoever holds a lock in Postgres leads.

What is done has to bear being done twice: a leader that stood still may wake up beside its successor.
"""

import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from infra.errors import (
    ClickHouseRefusedError,
    ClickHouseUnavailableError,
    KafkaUnavailableError,
    PostgresUnavailableError,
)
from infra.log import get_logger
from infra.metrics import LeaderGauge
from infra.postgres import Connection
from infra.role import PartHealth
from infra.settings import PostgresSettings
from management.background import Background
from management.relays.session import IDLE_SECONDS_MAX, SessionLock, failures_translated, relay_connection

#: A look that could not be done is repeated after so long: the part is not ready until one is whole.
_RETRY_SECONDS = 2.0
_STANDBY_SECONDS = 1.0
#: Figures follow so soon what tenants see.
_OBSERVE_SECONDS = 5.0
_PROBE = b"SELECT 1"
_log = get_logger(__name__)


class LedWork(Background):
    """A thread of the role management, and a part whose health can be shown (`infra.role.Role`).

    `look_seconds` lie between two looks. `idle_seconds_max`: longer than any look says nothing to the session whose
    lock is the lead. `leader_gauge` is 1 while this process leads.
    """

    name: str
    lock_key: ClassVar[int]
    look_seconds: float
    idle_seconds_max: ClassVar[int] = IDLE_SECONDS_MAX
    leader_gauge: ClassVar[LeaderGauge | None] = None

    def __init__(self, postgres: PostgresSettings, *, first_look_seconds: float = 0.0) -> None:
        super().__init__(self.name)
        self._postgres = postgres
        self._state = "starting"
        self._faults: tuple[str, ...] = ()
        self._due_at = time.monotonic() + first_look_seconds
        self._observed_at = float("-inf")

    @property
    def leads(self) -> bool:
        """Whether this process does the work now."""
        return self._state == "leader"

    def health(self) -> PartHealth:
        """Ready when it stands by, or leads and had what it needs; that it finds something is no fault of the part."""
        reasons = self._faults if self._thread.is_alive() else (*self._faults, "it does not run")
        return PartHealth(self.name, ready=not reasons, reasons=reasons, details={"state": self._state})

    @abstractmethod
    def step(self, connection: Connection) -> Sequence[str]:
        """One look and what follows from it; what of it could not be done, in words.

        `connection` works as hookline_relay, every statement by itself. Raises as the stores do. What was not done is
        tried again soon.
        """

    def observe(self, connection: Connection) -> None:
        """Now and then, whoever leads, so that the server hears of the session, and its end is noticed.

        Raises as Postgres does.
        """
        connection.execute(_PROBE)

    def begin(self) -> None:
        """The lead was taken."""

    def end(self) -> None:
        """The lead was given up or lost."""

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with relay_connection(self._postgres, idle_seconds_max=self.idle_seconds_max) as connection:
                    self._serve(connection)
            except PostgresUnavailableError as error:
                self._note_state("starting")
                self._note_faults((str(error),))
                self._due_at = time.monotonic()
                self._stopping.wait(_RETRY_SECONDS)
        self._note_state("starting")

    def _serve(self, connection: Connection) -> None:
        lock = SessionLock(self.lock_key)
        while not self._stopping.is_set():
            if not self.leads:
                self._note_state("leader" if lock.try_lead(connection) else "standby")
            if not self.leads:
                self._note_faults(())
            elif time.monotonic() >= self._due_at:
                self._take_step(connection)
            self._observe(connection)
            self._stopping.wait(self._rest_seconds())

    def _take_step(self, connection: Connection) -> None:
        started = time.monotonic()
        faults: Sequence[str]
        try:
            with failures_translated():
                faults = self.step(connection)
        except KafkaUnavailableError as error:
            faults = (f"Kafka: {error}",)
        except (ClickHouseUnavailableError, ClickHouseRefusedError) as error:
            faults = (f"ClickHouse: {error}",)
        self._note_faults(tuple(faults))
        retry_at = time.monotonic() + min(self.look_seconds, _RETRY_SECONDS)
        self._due_at = retry_at if faults else started + self.look_seconds

    def _observe(self, connection: Connection) -> None:
        now = time.monotonic()
        if now - self._observed_at >= _OBSERVE_SECONDS:
            self._observed_at = now
            with failures_translated():
                self.observe(connection)

    def _rest_seconds(self) -> float:
        if not self.leads:
            return _STANDBY_SECONDS
        return max(0.0, min(_OBSERVE_SECONDS, self._due_at - time.monotonic()))

    def _note_state(self, state: str) -> None:
        led, self._state = self.leads, state
        if self.leader_gauge is not None:
            self.leader_gauge.set(int(self.leads))
        if self.leads and not led:
            _log.info("led_work.leads", work=self.name)
            self._observed_at = float("-inf")
            self.begin()
        elif led and not self.leads:
            self.end()

    def _note_faults(self, faults: tuple[str, ...]) -> None:
        if faults and not self._faults:
            _log.warning("led_work.waiting", work=self.name, reasons=faults)
        self._faults = faults
