"""States of a replay job, and what leads from one to another."""

from enum import StrEnum
from typing import NamedTuple

#: A job over more records waits until somebody has confirmed it.
UNCONFIRMED_RECORDS_MAX = 10_000


class State(StrEnum):
    """Where a job stands; the last three are its end."""

    PLANNING = "planning"
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class Cause(StrEnum):
    """Why a job stands where it does; none: because of how far it is."""

    PERSON = "person"
    PLAN_ONLY = "plan_only"
    CEILING = "ceiling"
    FAILURES = "failures"
    LAG = "lag"
    ERROR = "error"


OPEN = (State.PLANNING, State.AWAITING_CONFIRMATION, State.RUNNING, State.PAUSED)
ENDED = (State.DONE, State.STOPPED, State.FAILED)


class Change(NamedTuple):
    """What somebody may do to a job: from which states, to which, and how the audit calls it."""

    from_states: tuple[State, ...]
    to_state: State
    done: str


CHANGES = {
    "confirm": Change((State.AWAITING_CONFIRMATION,), State.RUNNING, "confirmed"),
    "pause": Change((State.RUNNING,), State.PAUSED, "paused"),
    "resume": Change((State.PAUSED,), State.RUNNING, "resumed"),
    "stop": Change(OPEN, State.STOPPED, "stopped"),
}


class Standing(NamedTuple):
    """A state with its cause and the words for it."""

    state: State
    cause: Cause | None = None
    reason: str | None = None


def after_planning(selected: int, *, plan_only: bool, confirmed_records: int | None) -> Standing:
    """Whether a planned job runs or waits. `confirmed_records`: up to so many were confirmed with the job itself."""
    if plan_only:
        return Standing(State.AWAITING_CONFIRMATION, Cause.PLAN_ONLY, "it was asked for as a plan")
    if selected > max(UNCONFIRMED_RECORDS_MAX, confirmed_records or 0):
        confirmed = "" if confirmed_records is None else f", and {confirmed_records:,} were confirmed"
        reason = f"{selected:,} records are selected{confirmed}: more than {UNCONFIRMED_RECORDS_MAX:,} need it"
        return Standing(State.AWAITING_CONFIRMATION, Cause.CEILING, reason)
    return Standing(State.RUNNING)
