"""How the relay is doing, written by its thread and read by whoever asks for its health."""

from dataclasses import dataclass

from infra import metrics
from infra.clock import MICROSECONDS, now_us
from infra.role import PartHealth

_WAITING_SECONDS_MAX = 30.0


@dataclass(slots=True)
class Progress:
    """One writer; every member is replaced as a whole. Before the first session it neither leads nor stands by."""

    leads: bool = False
    stands_by: bool = False
    trouble: str | None = None
    waiting_changes: int = 0
    oldest_seconds: float = 0.0
    last_published_at_us: int | None = None

    def note_standby(self) -> None:
        """Another process leads, or is about to."""
        self.stands_by, self.leads, self.trouble = True, False, None

    def note_taking_over(self) -> None:
        """The lead is free: until the topic is level with the tables this is neither of the two."""
        self.stands_by = self.leads = False

    def note_lead(self) -> None:
        """This one leads, and the topic is level with the tables."""
        self.leads, self.stands_by, self.trouble = True, False, None

    def note_trouble(self, reason: str) -> bool:
        """Neither of the two; True when it was not known yet."""
        is_new = self.trouble is None
        self.leads, self.stands_by, self.trouble = False, False, reason
        return is_new

    def note_published(self) -> None:
        """Records were acknowledged."""
        self.last_published_at_us = now_us()
        metrics.CONFIGURATION_LAST_PUBLISHED.set(self.last_published_at_us / MICROSECONDS)

    def note_waiting(self, changes: int, oldest_seconds: float) -> None:
        """What the outbox holds."""
        self.waiting_changes, self.oldest_seconds = changes, oldest_seconds
        metrics.CONFIGURATION_WAITING_CHANGES.set(changes)
        metrics.CONFIGURATION_OLDEST_SECONDS.set(oldest_seconds)

    def health(self, name: str, *, alive: bool) -> PartHealth:
        """`details` say which of the two it is, and what waits."""
        reasons: list[str] = []
        if not alive:
            reasons.append("the relay does not run")
        elif self.trouble is not None:
            reasons.append(self.trouble)
        elif not self.leads and not self.stands_by:
            reasons.append("comparing the topic with the tables")
        elif self.oldest_seconds > _WAITING_SECONDS_MAX:
            reasons.append(f"{self.waiting_changes} changes wait, the oldest for {self.oldest_seconds:.0f} s")
        state = "leader" if self.leads else "standby" if self.stands_by else "starting"
        details: dict[str, str | int | float | bool] = {
            "state": state,
            "unpublished_changes": self.waiting_changes,
            "oldest_change_seconds": round(self.oldest_seconds, 3),
        }
        if self.last_published_at_us is not None:
            details["last_published_at_us"] = self.last_published_at_us
        return PartHealth(
            name,
            ready=not reasons,
            reasons=tuple(reasons),
            lag_records=self.waiting_changes,
            last_commit_at_us=self.last_published_at_us,
            details=details,
        )
