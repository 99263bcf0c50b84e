"""The action sink as a role: its loop in a thread of its own, and its health."""

import threading
import time

from confluent_kafka import KafkaException

from infra.actions.registry import ActionRegistry, load_actions
from infra.log import get_logger
from infra.role import PartHealth
from infra.settings import Settings
from infra.standstill import Watched
from sinks.actions.condition import Condition
from sinks.actions.consumer import ActionConsumer
from sinks.actions.lane import TOPICS, Lane, lanes_of

_RESTART_SECONDS = 2.0
_log = get_logger(__name__)


class ActionsRole:
    """`infra.role.Role`. Raises ActionRegistryError when the installed actions cannot be loaded."""

    name = "actions"

    def __init__(self, settings: Settings, registry: ActionRegistry | None = None) -> None:
        self._settings = settings
        self._registry = load_actions() if registry is None else registry
        self._condition = Condition(tuple(lanes_of(settings)))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="actions", daemon=True)

    def start(self) -> None:
        """Start the loop; it waits by itself for Kafka and Postgres."""
        self._condition.heartbeat_at = time.monotonic()
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Finish the batch at hand, leave the group."""
        self._stopping.set()
        self._thread.join(timeout_seconds)

    def health(self) -> PartHealth:
        """Ready once the group is joined and nothing is waited for."""
        condition = self._condition
        reasons = condition.reasons(time.monotonic()) if self._thread.is_alive() else ("the loop is not running",)
        return PartHealth(
            self.name,
            ready=not reasons,
            reasons=reasons,
            lag_records=condition.total_lag_records(),
            last_commit_at_us=condition.last_commit_at_us,
            details={
                "lane": self._settings.actions.lane,
                **{f"{lane}_partitions": len(condition.owned.get(lane, ())) for lane in condition.lanes},
                "actions": len(self._registry),
            },
        )

    def consumers(self) -> tuple[Watched, ...]:
        """Each lane, for the watch over consumers that stand still."""
        return tuple(self._watched(lane) for lane in lanes_of(self._settings))

    def _watched(self, lane: Lane) -> Watched:
        condition = self._condition
        return Watched(
            f"actions-{lane}",
            self._settings.actions.group_id,
            (TOPICS[lane],),
            owned=lambda: condition.owned.get(lane, frozenset()),
            waited_at=lambda: condition.waited_at,
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                ActionConsumer(self._settings, self._registry, self._condition, self._stopping).run()
            except KafkaException as error:
                self._condition.blocked("kafka", error.args[0].str())
                _log.error("actions.consumer.restarted", reason=error.args[0].str())
                self._stopping.wait(_RESTART_SECONDS)
