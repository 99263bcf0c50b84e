"""Does what was found agree with what was sent? Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hookline.demo.evidence import Evidence
from hookline.demo.plan import Kind, expected_tickets
from hookline.demo.traffic import SentRequest

ENDS = {
    Kind.NEW: (200, "dispatched"),
    Kind.REPEAT: (200, "duplicate"),
    Kind.UNMAPPABLE: (200, "failed"),
    Kind.WRONG_SIGNATURE: (401, "rejected"),
}


@dataclass(frozen=True, slots=True)
class BalanceLine:
    """One kind of request: how many were sent, were answered as they must be, ended as they must, made a ticket."""

    kind: Kind
    sent: int
    status: int
    answered: int
    end: str
    ended: int
    tickets: int

    @property
    def agrees(self) -> bool:
        tickets_due = self.sent if self.kind is Kind.NEW else 0
        return self.sent == self.answered == self.ended and self.tickets == tickets_due


@dataclass(frozen=True, slots=True)
class Balance:
    """`faults` say in words what the lines alone would not show."""

    lines: tuple[BalanceLine, ...]
    faults: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        return not self.faults and all(line.agrees for line in self.lines)


def draw_balance(sent: Sequence[SentRequest], evidence: Evidence) -> Balance:
    """One line per kind, and every difference there is."""
    kinds = Counter(entry.planned.kind for entry in sent)
    answered = Counter(entry.planned.kind for entry in sent if entry.status == ENDS[entry.planned.kind][0])
    due = expected_tickets([entry.planned for entry in sent])
    made = Counter(evidence.ticket_ids)
    new_tickets = sum(count for alert_id, count in made.items() if alert_id in due)
    lines = tuple(
        BalanceLine(
            kind=kind,
            sent=kinds[kind],
            status=status,
            answered=answered[kind],
            end=end,
            ended=evidence.rejections if end == "rejected" else evidence.deliveries.get(end, 0),
            tickets=new_tickets if kind is Kind.NEW else 0,
        )
        for kind, (status, end) in ENDS.items()
    )
    return Balance(lines, tuple(_faults(sent, evidence, due, made)))


def _faults(sent: Sequence[SentRequest], evidence: Evidence, due: frozenset[str], made: Counter[str]) -> list[str]:
    acknowledged = Counter(entry.delivery_id for entry in sent if entry.status == 200)
    logged = Counter(evidence.delivery_ids)
    counts = {
        "alerts without a ticket": len(due - made.keys()),
        "tickets that no new alert asked for": sum(made[alert_id] for alert_id in made.keys() - due),
        "alerts with more than one ticket": sum(1 for count in made.values() if count > 1),
        "acknowledged requests that the delivery log does not have": len(acknowledged.keys() - logged.keys()),
        "deliveries in the log that were never acknowledged": len(logged.keys() - acknowledged.keys()),
        "deliveries that are in the log twice": sum(1 for count in logged.values() if count > 1),
        "deliveries still pending": evidence.deliveries.get("pending", 0),
    }
    return [f"{count:,} {what}" for what, count in counts.items() if count]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 < share ≤ 1) of the values do not exceed; 0.0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]
