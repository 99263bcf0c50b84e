"""When a group loses data: retention, the age of what waits, and the group's pace."""

from __future__ import annotations

import pytest

from infra.clock import MICROSECONDS
from management.horizon import LOSS_SECONDS_MAX, WINDOW_SECONDS, Pace, data_loss_seconds, retention_left_seconds

NOW = 1_800_000_000 * MICROSECONDS
DAY = 86_400


def paced(rate: float, seconds: int, *, step: int = 15) -> Pace:
    """A group that was an hour behind and went on at `rate` for so long."""
    pace = Pace()
    for second in range(0, seconds + 1, step):
        reached_us = NOW - 3_600 * MICROSECONDS + int(second * rate * MICROSECONDS)
        pace.note(NOW + second * MICROSECONDS, reached_us)
    return pace


@pytest.mark.parametrize(
    ("age_seconds", "retention", "left"), [(DAY, 7 * DAY, 6 * DAY), (8 * DAY, 7 * DAY, 0), (DAY, None, None)]
)
def test_what_is_left_is_the_retention_less_the_age(
    age_seconds: int, retention: float | None, left: float | None
) -> None:
    assert retention_left_seconds(NOW - age_seconds * MICROSECONDS, retention, NOW) == left


def test_nothing_is_lost_where_nothing_waits() -> None:
    assert retention_left_seconds(None, 7 * DAY, NOW) is None
    assert data_loss_seconds(None, 0.0) is None


def test_a_group_at_rest_loses_data_when_the_retention_is_over() -> None:
    assert data_loss_seconds(11_400, paced(0.0, 300).rate()) == 11_400


def test_a_group_that_falls_behind_at_half_speed_has_twice_as_long() -> None:
    assert data_loss_seconds(11_400, paced(0.5, 300).rate()) == pytest.approx(22_800)


@pytest.mark.parametrize("rate", [1.0, 1.5])
def test_a_group_that_keeps_up_or_catches_up_loses_nothing(rate: float) -> None:
    assert data_loss_seconds(11_400, paced(rate, 300).rate()) is None


def test_a_loss_beyond_the_bound_is_none() -> None:
    assert data_loss_seconds(7 * DAY, 0.9) is None
    assert data_loss_seconds(LOSS_SECONDS_MAX / 2, 0.5) == pytest.approx(LOSS_SECONDS_MAX)


def test_a_pace_is_not_known_before_it_was_watched_for_a_while() -> None:
    assert Pace().rate() is None
    assert paced(0.5, 15).rate() is None
    assert paced(0.5, 30).rate() == pytest.approx(0.5)


def test_a_pace_forgets_what_is_older_than_its_window() -> None:
    pace = paced(0.0, WINDOW_SECONDS)
    for second in range(WINDOW_SECONDS, 2 * WINDOW_SECONDS + 1, 15):
        pace.note(NOW + second * MICROSECONDS, NOW + (second - WINDOW_SECONDS - 3_600) * MICROSECONDS)
    assert pace.rate() == pytest.approx(1.0)


def test_a_group_that_is_set_back_counts_as_at_rest() -> None:
    assert paced(-1.0, 60).rate() == 0.0
