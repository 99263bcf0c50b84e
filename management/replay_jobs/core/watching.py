"""When a job pauses by itself, and when it goes on by itself."""

from collections.abc import Mapping
from typing import NamedTuple

#: Of a pause for lag: it ends once the lag is down to this part of what it began at.
_LAG_RESUMES_AT = 0.5
_PENDING = "pending"
_FAILED = "failed"


class Bounds(NamedTuple):
    """When it is too much: failures in percent, of at least so many outcomes; seconds that live traffic is behind."""

    failures_percent_max: float
    outcomes_min: int
    lag_seconds_max: float


def too_many_failures(outcomes: Mapping[str, int], bounds: Bounds) -> str | None:
    """Why a job is to pause, in words. `outcomes`: deliveries of it by status, since it was last set going."""
    ended = sum(count for status, count in outcomes.items() if status != _PENDING)
    failed = outcomes.get(_FAILED, 0)
    if ended < bounds.outcomes_min or failed * 100 <= ended * bounds.failures_percent_max:
        return None
    return f"{failed:,} of {ended:,} deliveries failed: more than {bounds.failures_percent_max:g} %"


def too_far_behind(lag_seconds: float | None, bounds: Bounds) -> str | None:
    """Why a job is to pause, in words. None as a lag: nobody knows it, and then the job goes on as it is."""
    if lag_seconds is None or lag_seconds <= bounds.lag_seconds_max:
        return None
    return f"live traffic is {lag_seconds:.0f} s behind: more than {bounds.lag_seconds_max:g} s"


def caught_up(lag_seconds: float | None, bounds: Bounds) -> bool:
    """Whether a job that paused for lag may go on."""
    return lag_seconds is not None and lag_seconds <= bounds.lag_seconds_max * _LAG_RESUMES_AT


def outcomes_are_whole(outcomes: Mapping[str, int], published: int) -> bool:
    """Whether the log has an outcome for every published record, so that there is nothing left to count."""
    return sum(count for status, count in outcomes.items() if status != _PENDING) >= published
