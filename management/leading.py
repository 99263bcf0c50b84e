"""Work that one of all management processes does, time and again: whoever holds a lock in Postgres leads.

What is done has to bear being done twice: a leader that stood still may wake up beside its successor.
"""

import time
from abc import abstractmethod
from typing import ClassVar

from infra.errors import (
    ClickHouseRefusedError,
    ClickHouseUnavailableError,
    KafkaUnavailableError,
    PostgresUnavailableError,
)
from infra.log import get_logger
from infra.postgres import Connection
from infra.settings import PostgresSettings
from management.background import Background
from management.relays.session import SessionLock, failures_translated, relay_connection

_RETRY_SECONDS = 2.0
_TROUBLES = (
    *(PostgresUnavailableError, ClickHouseUnavailableError, ClickHouseRefusedError),
    KafkaUnavailableError,
)
_log = get_logger(__name__)


class LedWork(Background):
    """A thread of the role management. `look_seconds` lie between two steps."""

    name: ClassVar[str]
    lock_key: ClassVar[int]
    look_seconds: ClassVar[float]

    def __init__(self, postgres: PostgresSettings) -> None:
        super().__init__(self.name)
        self._postgres = postgres

    @abstractmethod
    def step(self, connection: Connection) -> None:
        """One look and what follows from it. `connection` works as hookline_relay, every statement by itself.

        Raises as the stores do: it is tried again.
        """

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with relay_connection(self._postgres) as connection:
                    self._lead(connection)
            except _TROUBLES as error:
                if self._fault is None:
                    _log.warning("led_work.waiting", work=self.name, reason=str(error))
                self._fault = str(error)
                self._stopping.wait(_RETRY_SECONDS)

    def _lead(self, connection: Connection) -> None:
        leads, lock = False, SessionLock(self.lock_key)
        while not self._stopping.is_set():
            started = time.monotonic()
            leads = leads or lock.try_lead(connection)
            if leads:
                with failures_translated():
                    self.step(connection)
            self._fault = None
            self._stopping.wait(max(0.0, self.look_seconds - (time.monotonic() - started)))
