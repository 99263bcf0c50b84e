"""Seconds from the receipt of a request to its outcome, held against the target of its priority."""

from infra import metrics
from infra.clock import MICROSECONDS
from infra.settings import SlaSettings

_PRIORITIES = ("low", "normal", "high", "critical")


class OutcomeMeter:
    """Counts outcomes and breaches. An outcome recorded again after a crash counts again."""

    def __init__(self, settings: SlaSettings) -> None:
        self._targets = settings.by_priority
        self._seconds = [metrics.OUTCOME_SECONDS.labels(name) for name in _PRIORITIES]
        self._breaches = [metrics.SLA_BREACHES.labels(name) for name in _PRIORITIES]
        for name, target in zip(_PRIORITIES, self._targets, strict=True):
            metrics.SLA_TARGET_SECONDS.labels(name).set(target)

    def measure(self, priority: int, received_at_us: int, recorded_at_us: int) -> None:
        """Count one outcome; `priority` is 0 to 3. The two clocks may differ: less than nothing is nothing."""
        seconds = max(0, recorded_at_us - received_at_us) / MICROSECONDS
        self._seconds[priority].observe(seconds)
        if seconds > self._targets[priority]:
            self._breaches[priority].inc()
