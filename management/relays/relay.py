"""A relay: rows that are committed in Postgres go to a topic, and nothing else does.

One relay of a kind leads among all management processes; the others stand by. docs/adr/0010-configuration-relay.md
says why a leader that stood still and wakes up late publishes nothing any more.
"""

import threading
import time
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, closing
from typing import ClassVar, Generic, TypeVar

from infra.errors import KafkaUnavailableError, PostgresUnavailableError
from infra.log import get_logger
from infra.role import PartHealth
from infra.settings import Settings
from infra.transactions import FencedProducer
from management.relays.progress import Progress
from management.relays.session import RelaySession

_STANDBY_POLL_SECONDS = 0.2
_RETRY_SECONDS = 1.0
# Below IDLE_SECONDS_MAX of the session, which hears nothing meanwhile.
_PUBLISH_SECONDS_MAX = 8.0
_OBSERVE_INTERVAL_SECONDS = 1.0

Session = TypeVar("Session", bound=RelaySession)
_log = get_logger(__name__)


class Relay(ABC, Generic[Session]):
    """A thread of the role management, and a part whose health is shown.

    `client_id` is that of its producer, `transactional_id` the one id under which relays of this kind begin: who began
    last shuts out the others.
    """

    name: str
    client_id: ClassVar[str]
    transactional_id: ClassVar[str]

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self._settings = settings
        self._progress = progress
        self._observed_at = float("-inf")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.client_id, daemon=True)

    def start(self) -> None:
        """Returns at once, also while the stores are away."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Finish the batch at hand and give the lead away."""
        self._stopping.set()
        self._thread.join(timeout_seconds)

    def health(self) -> PartHealth:
        """Ready when it stands by, or when it leads and has done what a beginning needs."""
        return self._progress.health(self.name, alive=self._thread.is_alive())

    @abstractmethod
    def _open_session(self) -> AbstractContextManager[Session]:
        """A new session, which ends with the context. Raises PostgresUnavailableError."""

    @abstractmethod
    def _lead(self, session: Session, producer: FencedProducer) -> None:
        """Publish until `_stopping` is set; call `_note_lead` once ready, `_observe` now and then.

        Raises PostgresUnavailableError, KafkaUnavailableError: the lead is given up.
        """

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._open_session() as session:
                    self._serve(session)
            except (PostgresUnavailableError, KafkaUnavailableError) as error:
                reason = f"Kafka: {error}" if isinstance(error, KafkaUnavailableError) else str(error)
                if self._progress.note_trouble(reason):
                    _log.warning("relay.waiting", relay=self.name, reason=reason)
                self._stopping.wait(_RETRY_SECONDS)
        self._progress.note_end()

    def _serve(self, session: Session) -> None:
        """Stand by until the lead is free, then lead. Giving up the session gives up the lead."""
        while not self._stopping.is_set():
            if session.try_lead():
                self._progress.note_taking_over()
                with closing(self._begin()) as producer:
                    self._lead(session, producer)
                return
            self._observe(session)
            self._progress.note_standby()
            self._stopping.wait(_STANDBY_POLL_SECONDS)

    def _begin(self) -> FencedProducer:
        return FencedProducer(
            self._settings.kafka,
            transactional_id=self.transactional_id,
            client_id=self.client_id,
            timeout_seconds=_PUBLISH_SECONDS_MAX,
        )

    def _note_lead(self) -> None:
        self._progress.note_lead()
        _log.info("relay.leads", relay=self.name)

    def _observe(self, session: Session) -> None:
        """What waits, once a second; the server hears of the session by it."""
        now = time.monotonic()
        if now - self._observed_at >= _OBSERVE_INTERVAL_SECONDS:
            self._observed_at = now
            self._progress.note_waiting(*session.count_waiting())
