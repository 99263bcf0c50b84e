"""Work that one of all management processes does, time and again: whoever holds a lock in Postgres leads.

What is done has to bear being done twice: a leader that stood still may wake up beside its successor.
"""

import threading
import time
from abc import ABC, abstractmethod
from typing import ClassVar

from infra.errors import ClickHouseRefusedError, ClickHouseUnavailableError, PostgresUnavailableError
from infra.log import get_logger
from infra.postgres import Connection
from infra.queries import load_queries
from infra.settings import PostgresSettings
from management.relays.session import QUERIES_FILE, failures_translated, relay_connection

_RETRY_SECONDS = 2.0
_QUERIES = load_queries(QUERIES_FILE)
_log = get_logger(__name__)


class LedWork(ABC):
    """A thread of the role management. `look_seconds` lie between two steps."""

    name: ClassVar[str]
    lock_key: ClassVar[int]
    look_seconds: ClassVar[float]

    def __init__(self, postgres: PostgresSettings) -> None:
        self._postgres = postgres
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._fault: str | None = None

    @property
    def fault(self) -> str | None:
        """Why this makes no progress now, in words; None: it does, here or elsewhere."""
        if self._thread.ident is not None and not self._thread.is_alive() and not self._stopping.is_set():
            return "the thread has ended"
        return self._fault

    def start(self) -> None:
        """Returns at once, also while the stores are away."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Leave what is not done to the next leader."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

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
            except (PostgresUnavailableError, ClickHouseUnavailableError, ClickHouseRefusedError) as error:
                if self._fault is None:
                    _log.warning("led_work.waiting", work=self.name, reason=str(error))
                self._fault = str(error)
                self._stopping.wait(_RETRY_SECONDS)

    def _lead(self, connection: Connection) -> None:
        leads = False
        while not self._stopping.is_set():
            started = time.monotonic()
            with failures_translated():
                if not leads:
                    [row] = connection.execute(_QUERIES["try_lead"].encode(), {"lock_key": self.lock_key}).fetchall()
                    leads = bool(row["leads"])
                if leads:
                    self.step(connection)
            self._fault = None
            self._stopping.wait(max(0.0, self.look_seconds - (time.monotonic() - started)))
