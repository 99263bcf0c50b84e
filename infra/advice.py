"""What to do about a part or a consumer group that is not well, in words, each with its runbook. Pure.

The runbooks stand in docs/runbooks of the project; a test holds every place named here to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

ALERTS = "docs/runbooks/alerts.md"
#: A group that commits nothing for so long while records wait stands still.
STANDSTILL_SECONDS = 120
#: From here on a loss of data is worth a person's time.
LOSS_SECONDS_SOON = 86_400

# By a word of the reason, in lower case; the first that fits counts.
_BY_WORD = (
    ("no answer", f"its process does not answer: look at its log, start it again: {ALERTS}#a-part-is-not-ready"),
    ("clickhouse", f"bring ClickHouse back, nothing is lost meanwhile: {ALERTS}#clickhouse-is-away"),
    ("postgres", "bring Postgres back: docs/runbooks/postgres-away.md"),
    ("kafka", "bring the broker back: docs/runbooks/broker-away.md"),
    ("broker", "bring the broker back: docs/runbooks/broker-away.md"),
    ("restored", "wait: tables are rebuilt before requests are taken: docs/runbooks/rebuild-a-table.md"),
)
_OTHERWISE = f"look at its log: {ALERTS}#a-part-is-not-ready"


@dataclass(frozen=True, slots=True)
class GroupCondition:
    """A group as advice looks at it. Times in seconds, None where there is nothing to tell.

    `standstill_seconds`: so long was nothing committed, and records wait.
    """

    role: str
    members: int
    unread: Sequence[str]
    lost_records: int
    data_loss_topic: str | None
    data_loss_seconds: float | None
    standstill_seconds: float | None


def part_advice(reasons: Sequence[str]) -> tuple[str, ...]:
    """One piece of advice per kind of reason; none for a part that is ready."""
    return tuple(dict.fromkeys(_for_reason(reason.lower()) for reason in reasons))


def group_advice(group: GroupCondition) -> tuple[str, ...]:
    """The most urgent first; none for a group that keeps up."""
    advice: list[str] = []
    if group.lost_records:
        advice.append(f"{group.lost_records:,} records were deleted before it came to them: {ALERTS}#records-were-lost")
    if group.data_loss_seconds is not None and group.data_loss_seconds < LOSS_SECONDS_SOON:
        advice.append(
            f"it loses data in {duration_text(group.data_loss_seconds)}: keep {group.data_loss_topic} longer, now: "
            f"{ALERTS}#a-consumer-loses-data"
        )
    if group.members == 0:
        advice.append(
            f"start it: `hookline run {group.role}`, or all with `hookline up`: {ALERTS}#nobody-reads-a-topic"
        )
    elif group.unread:
        advice.append(f"start a member that reads {', '.join(group.unread)}: {ALERTS}#nobody-reads-a-topic")
    elif group.standstill_seconds is not None and group.standstill_seconds > STANDSTILL_SECONDS:
        advice.append(
            f"it has members and commits nothing for {duration_text(group.standstill_seconds)}: "
            f"{ALERTS}#a-consumer-stands-still"
        )
    return tuple(advice)


def duration_text(seconds: float) -> str:
    """In the two largest units: `3 h 10 m`, `2 d 4 h`, `45 s`."""
    whole = int(seconds)
    for unit, name, smaller, smaller_name in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // smaller} {smaller_name}"
    return f"{whole} s"


def _for_reason(reason: str) -> str:
    return next((advice for word, advice in _BY_WORD if word in reason), _OTHERWISE)
