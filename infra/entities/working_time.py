"""What follows from when somebody began to work and how long it took. Pure."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class WorkingTimeError(ValueError):
    """There is no such day. `field`: what is wrong, the `start_time` or the user (`user_id`) for the time zone."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def end_of_work(start: datetime, duration_minutes: int) -> datetime:
    """When it was over. Raises WorkingTimeError."""
    try:
        return start + timedelta(minutes=duration_minutes)
    except OverflowError:
        raise WorkingTimeError("start_time", "the work would end after the last day there is") from None


def work_date(start: datetime, time_zone: str) -> date:
    """The day that it counts for: that of its start where the user is. Raises WorkingTimeError."""
    try:
        return start.astimezone(ZoneInfo(time_zone)).date()
    except OverflowError:
        raise WorkingTimeError("start_time", f"it is not a date and time that exists in {time_zone}") from None
    except (ZoneInfoNotFoundError, ValueError):
        raise WorkingTimeError("user_id", f"the time zone {time_zone!r} of this user does not exist") from None


def billable_minutes(duration_minutes: int, *, is_billable: bool) -> int:
    """The minutes that the client is billed for."""
    return duration_minutes if is_billable else 0
