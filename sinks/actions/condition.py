"""How the action sink is doing: written by its thread, read by whoever asks for health."""

import threading
import time
from dataclasses import dataclass, field

HEARTBEAT_AGE_SECONDS_MAX = 30.0


@dataclass(slots=True)
class Condition:
    """`obstacles` say per dependency what it waits for. Times: `heartbeat_at` and `waited_at` (when last for something
    other than Kafka) monotonic seconds, commits in µs.

    `lanes` are read here: topics and partitions owned, and records behind them (None: not known yet), by lane.
    """

    lanes: tuple[str, ...]
    heartbeat_at: float = 0.0
    joined: set[str] = field(default_factory=set)
    owned: dict[str, frozenset[tuple[str, int]]] = field(default_factory=dict)
    waited_at: float = float("-inf")
    lag_records: dict[str, int | None] = field(default_factory=dict)
    last_commit_at_us: int | None = None
    _obstacles: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def total_lag_records(self) -> int | None:
        """Records behind the positions of every lane; None while one is not known."""
        lags = [self.lag_records.get(lane) for lane in self.lanes]
        return None if None in lags else sum(lag for lag in lags if lag is not None)

    def blocked(self, dependency: str, reason: str) -> bool:
        """Note that work waits for `dependency`; True when it did not before."""
        with self._lock:
            is_new = dependency not in self._obstacles
            self._obstacles[dependency] = reason
            if dependency != "kafka":
                self.waited_at = time.monotonic()
            return is_new

    def freed(self, dependency: str) -> bool:
        """Note that `dependency` answers; True when work had waited for it."""
        if dependency not in self._obstacles:
            return False
        with self._lock:
            return self._obstacles.pop(dependency, None) is not None

    def is_blocked(self, dependency: str) -> bool:
        """Whether work waits for `dependency`."""
        return dependency in self._obstacles

    def reasons(self, now: float) -> tuple[str, ...]:
        """Why the sink is not ready at `now` (monotonic seconds); empty when it is."""
        with self._lock:
            reasons = [f"{dependency}: {reason}" for dependency, reason in sorted(self._obstacles.items())]
        if not self.joined.issuperset(self.lanes):
            reasons.append("kafka: the consumer group has not been joined yet")
        if now - self.heartbeat_at > HEARTBEAT_AGE_SECONDS_MAX:
            reasons.append(f"the loop has not turned for {now - self.heartbeat_at:.0f} s")
        return tuple(reasons)
