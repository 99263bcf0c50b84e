"""What measured numbers mean under a rule's parameters, in words that have the numbers. Pure.

An alert is raised at one bound and resolved at another one well below it, so that it does not come and go with each
look. Between the two whatever is open stays open, and nothing new is raised.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from infra.clock import rfc3339
from management.alerting.core.rhythm import HOUR_US, Rhythm, chance_of_silence, missed_hours
from management.alerting.core.rules import (
    CLEAR_SHARE,
    DataLoss,
    DeadLetters,
    FailureRate,
    Rejections,
    Silence,
    Sla,
)

#: A pause more likely than this is an ordinary one.
_ORDINARY_CHANCE = 0.5
_MARGIN_OF_HOURS = 1.5
_HOUR_SECONDS = 3_600


class Level(Enum):
    """Whether there is reason to raise an alert, to resolve it, or to leave things as they are."""

    RAISED = "raised"
    BETWEEN = "between"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Judgement:
    """`message` is one sentence with the numbers; `details` are the numbers."""

    level: Level
    message: str
    details: dict[str, Any] = field(default_factory=dict)


class Outcomes(NamedTuple):
    """Deliveries of a webhook received in a window: how many finished, how many of these failed or were late."""

    finished: int = 0
    failed: int = 0
    late: int = 0


class Horizon(NamedTuple):
    """A consumer group and the end of a topic's retention, as `management.horizon` works them out.

    `retention_seconds` is None where records are kept for ever, `retention_left_seconds` also where nothing waits or
    its age is not known, `data_loss_seconds` also where the group keeps up.
    """

    group_id: str
    topic: str
    records: int
    lost_records: int
    retention_seconds: float | None
    retention_left_seconds: float | None
    data_loss_seconds: float | None


def judge_failures(parameters: FailureRate, counted: Outcomes) -> Judgement:
    """Of `failure_rate`."""
    enough = counted.finished >= parameters.finished_min
    percent = 100 * counted.failed / counted.finished if counted.finished else 0.0
    message = (
        f"{counted.failed:,} of {counted.finished:,} deliveries that were received in the last "
        f"{parameters.window_minutes} minutes failed: {percent:.1f} % (bound: {parameters.failed_percent:g} %)."
    )
    details = {"failed": counted.failed, "finished": counted.finished, "failed_percent": round(percent, 2)}
    return Judgement(_level(percent, parameters.failed_percent, enough=enough), message, details)


def judge_lateness(parameters: Sla, counted: Outcomes, target_seconds: float) -> Judgement:
    """Of `sla`."""
    enough = counted.finished >= parameters.finished_min
    percent = 100 * counted.late / counted.finished if counted.finished else 0.0
    message = (
        f"{counted.late:,} of {counted.finished:,} deliveries that were received in the last "
        f"{parameters.window_minutes} minutes took more than {target_seconds:g} s: {percent:.1f} % "
        f"(bound: {parameters.late_percent:g} %)."
    )
    details = {
        "late": counted.late,
        "finished": counted.finished,
        "late_percent": round(percent, 2),
        "target_seconds": target_seconds,
    }
    return Judgement(_level(percent, parameters.late_percent, enough=enough), message, details)


def judge_rejections(parameters: Rejections, refused: int, reasons: Sequence[str]) -> Judgement:
    """Of `rejections`."""
    named = f" ({', '.join(reasons)})" if reasons else ""
    message = (
        f"{refused:,} requests were refused in the last {parameters.window_minutes} minutes{named} "
        f"(bound: {parameters.refused_min:,})."
    )
    return Judgement(_level(refused, parameters.refused_min), message, {"refused": refused, "reasons": sorted(reasons)})


def judge_dead_letters(parameters: DeadLetters, records: int) -> Judgement:
    """Of `dead_letters`."""
    noun = "record was" if records == 1 else "records were"
    message = (
        f"{records:,} {noun} given up in the last {parameters.window_minutes} minutes for a reason of ours "
        f"(bound: {parameters.records_min:,})."
    )
    return Judgement(_level(records, parameters.records_min), message, {"records": records})


def judge_silence(parameters: Silence, rhythm: Rhythm | None, last_at_us: int, now_us: int) -> Judgement:
    """Of `silence`. Who is not known for long enough is not judged: what is open stays so."""
    if rhythm is None or rhythm.history_hours < parameters.history_days_min * 24:
        return Judgement(Level.BETWEEN, "There is too little history to tell.")
    chance = chance_of_silence(rhythm, last_at_us, now_us)
    missed = missed_hours(rhythm, last_at_us, now_us)
    hours = max(0, now_us - last_at_us) / HOUR_US
    message = (
        f"Nothing came since {rfc3339(last_at_us)}, for {hours_in_words(hours)}, of which {missed:.1f} hours "
        f"are ones in which it used to speak; so long a pause happens once in {_once_in(chance)}."
    )
    level = Level.RAISED if chance <= parameters.chance_max else Level.BETWEEN
    if chance > _ORDINARY_CHANCE:
        level, message = Level.CLEAR, f"It speaks again: the last request came at {rfc3339(last_at_us)}."
    details = {
        "last_triggered_at": rfc3339(last_at_us),
        "silent_hours": round(hours, 2),
        "missed_hours": round(missed, 2),
        "longest_pause_hours": round(rhythm.longest, 2),
        "chance": chance,
    }
    return Judgement(level, message, details)


def judge_horizon(parameters: DataLoss, horizon: Horizon) -> Judgement:
    """Of `data_loss`. Nothing is said of a backlog whose age is not known.

    Half of a short retention goes before `hours_min`: else whoever reads at once would be said to lose. A group that
    catches up is out of danger once it stands well inside the retention, whatever its pace.
    """
    consumer, place = f"consumer {horizon.group_id}", f"of {horizon.topic}"
    details: dict[str, Any] = {"consumer": horizon.group_id, "topic": horizon.topic, "records": horizon.records}
    if horizon.lost_records:
        details["lost_records"] = horizon.lost_records
        message = f"{consumer} has lost {horizon.lost_records:,} records {place}: deleted unread."
        return Judgement(Level.RAISED, message, details)
    if not horizon.records:
        return Judgement(Level.CLEAR, f"{consumer} has read all {place}.", details)
    if horizon.retention_seconds is None:
        return Judgement(Level.CLEAR, f"Records {place} are kept for ever.", details)
    if horizon.retention_left_seconds is None:
        return Judgement(Level.BETWEEN, f"How old the backlog {place} is cannot be told.", details)
    bound = min(parameters.hours_min, horizon.retention_seconds / _HOUR_SECONDS / 2)
    left_hours = horizon.retention_left_seconds / _HOUR_SECONDS
    loss_seconds = horizon.data_loss_seconds
    if loss_seconds is not None and loss_seconds / _HOUR_SECONDS <= bound:
        details["hours_left"] = round(loss_seconds / _HOUR_SECONDS, 2)
        message = f"{consumer} loses data {place} in {hours_in_words(loss_seconds / _HOUR_SECONDS)}."
        return Judgement(Level.RAISED, message, details)
    level = Level.CLEAR if left_hours > bound * _MARGIN_OF_HOURS else Level.BETWEEN
    return Judgement(level, f"{consumer} stands {hours_in_words(left_hours)} before the end {place}.", details)


def hours_in_words(hours: float) -> str:
    """`3 h 10 m`, rounded down; from two days on `5 d 3 h`."""
    minutes = int(hours * 60)
    days, rest = divmod(minutes, 24 * 60)
    if days >= 2:
        return f"{days} d {rest // 60} h"
    return f"{minutes // 60} h {minutes % 60} m" if minutes >= 60 else f"{minutes} m"


def _level(measured: float, bound: float, *, enough: bool = True) -> Level:
    if measured < bound * CLEAR_SHARE:
        return Level.CLEAR
    return Level.RAISED if enough and measured >= bound else Level.BETWEEN


def _once_in(chance: float) -> str:
    return f"{round(1 / chance):,} pauses" if chance > 1e-9 else "more than a billion pauses"
