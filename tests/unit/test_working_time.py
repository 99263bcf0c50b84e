"""When work was over, and the day it counts for."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from infra.entities.working_time import WorkingTimeError, billable_minutes, end_of_work, work_date

START = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)


def test_work_ends_after_its_minutes_and_is_billed_for_all_of_them_or_none() -> None:
    assert end_of_work(START, 90) == datetime(2026, 11, 26, 1, 0, tzinfo=UTC)
    assert billable_minutes(90, is_billable=True) == 90
    assert billable_minutes(90, is_billable=False) == 0


@pytest.mark.parametrize(
    ("zone", "day"), [("UTC", 25), ("Europe/Berlin", 26), ("America/New_York", 25), ("Pacific/Auckland", 26)]
)
def test_work_counts_for_the_day_on_which_it_began_where_the_user_is(zone: str, day: int) -> None:
    assert work_date(START, zone) == date(2026, 11, day)


def test_what_is_no_day_is_said_of_the_time_or_of_the_users_zone() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    with pytest.raises(WorkingTimeError, match="last day") as ended:
        end_of_work(last, 1)
    with pytest.raises(WorkingTimeError, match="Pacific/Auckland") as dated:
        work_date(last, "Pacific/Auckland")
    assert {ended.value.field, dated.value.field} == {"start_time"}
    for zone in ("Atlantis/Capital", "", "../etc/passwd"):
        with pytest.raises(WorkingTimeError, match="does not exist") as placed:
            work_date(START, zone)
        assert placed.value.field == "user_id"
