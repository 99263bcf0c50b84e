"""Time periods as the API takes and shows them."""

from datetime import date

from pydantic import Field

from management.entities.schemas import Day, EntityFilter, EntityInput, EntityShown
from management.patching import PatchInput


class TimePeriodFilter(EntityFilter):
    """Which periods a list shows; the time window is of `created_at`: since ≤ t < until."""

    day: Day | None = Field(default=None, description="the period that this day belongs to")


class TimePeriod(EntityShown):
    """The days that one time sheet of a user is for, the first and the last among them; no day belongs to two."""

    start_date: Day
    end_date: Day


class TimePeriodCreateInput(EntityInput):
    """A new period."""

    start_date: Day
    end_date: Day = Field(description="the last day that belongs to it")


class TimePeriodUpdateInput(PatchInput):
    """What to change of a period. Time entries stay on the sheets they are on."""

    start_date: Day = date.min
    end_date: Day = date.min
