"""How a relay is doing, written by its thread and read by whoever asks for its health."""

from dataclasses import dataclass

from infra.clock import MICROSECONDS, now_us
from infra.metrics import RelayMetrics
from infra.role import PartHealth

_WAITING_SECONDS_MAX = 30.0


@dataclass(slots=True)
class Progress:
    """One writer; every member is replaced as a whole. Before the first session it neither leads nor stands by.

    `noun` is what it publishes (one of them), `beginning` what it does before it leads.
    """

    metrics: RelayMetrics
    noun: str
    beginning: str
    leads: bool = False
    stands_by: bool = False
    trouble: str | None = None
    waiting: int = 0
    oldest_seconds: float = 0.0
    last_published_at_us: int | None = None

    def note_standby(self) -> None:
        """Another process leads, or is about to."""
        self.stands_by, self.trouble = True, None
        self._note_leads(leads=False)

    def note_taking_over(self) -> None:
        """The lead is free: until what a beginning needs is done this is neither of the two."""
        self.stands_by = False
        self._note_leads(leads=False)

    def note_lead(self) -> None:
        """This one leads, and is ready."""
        self.stands_by, self.trouble = False, None
        self._note_leads(leads=True)

    def note_trouble(self, reason: str) -> bool:
        """Neither of the two; True when it was not known yet."""
        is_new = self.trouble is None
        self.stands_by, self.trouble = False, reason
        self._note_leads(leads=False)
        return is_new

    def note_end(self) -> None:
        """It publishes nothing any more."""
        self._note_leads(leads=False)

    def note_published(self) -> None:
        """Records were acknowledged."""
        self.last_published_at_us = now_us()
        self.metrics.last_published.set(self.last_published_at_us / MICROSECONDS)

    def note_waiting(self, rows: int, oldest_seconds: float) -> None:
        """What the outbox holds."""
        self.waiting, self.oldest_seconds = rows, oldest_seconds
        self.metrics.waiting.set(rows)
        self.metrics.oldest_seconds.set(oldest_seconds)

    def health(self, name: str, *, alive: bool) -> PartHealth:
        """`details` say which of the two it is, and what waits."""
        reasons: list[str] = []
        if not alive:
            reasons.append("the relay does not run")
        elif self.trouble is not None:
            reasons.append(self.trouble)
        elif not self.leads and not self.stands_by:
            reasons.append(self.beginning)
        elif self.oldest_seconds > _WAITING_SECONDS_MAX:
            reasons.append(f"{self.waiting} {self.noun}s wait, the oldest for {self.oldest_seconds:.0f} s")
        state = "leader" if self.leads else "standby" if self.stands_by else "starting"
        details: dict[str, str | int | float | bool] = {
            "state": state,
            f"unpublished_{self.noun}s": self.waiting,
            f"oldest_{self.noun}_seconds": round(self.oldest_seconds, 3),
        }
        if self.last_published_at_us is not None:
            details["last_published_at_us"] = self.last_published_at_us
        return PartHealth(
            name,
            ready=not reasons,
            reasons=tuple(reasons),
            lag_records=self.waiting,
            last_commit_at_us=self.last_published_at_us,
            details=details,
        )

    def _note_leads(self, *, leads: bool) -> None:
        self.leads = leads
        self.metrics.leader.set(int(leads))
