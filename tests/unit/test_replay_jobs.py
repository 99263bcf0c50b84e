"""What a replay job may do next, how fast, and when it stops by itself."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from management.replay_jobs.core.rates import BATCH_RECORDS_MAX, TokenBucket
from management.replay_jobs.core.states import CHANGES, ENDED, OPEN, Cause, Standing, State, after_planning
from management.replay_jobs.core.watching import (
    Bounds,
    caught_up,
    outcomes_are_whole,
    too_far_behind,
    too_many_failures,
)
from management.replaying.selections import ReplaySelection

BOUNDS = Bounds(failures_percent_max=20, outcomes_min=50, lag_seconds_max=30)
RANGE = "webhooks.request.received.v1:0:1-2"


@pytest.mark.parametrize(
    ("selected", "confirmed", "plan_only", "state", "cause"),
    [
        (10_000, None, False, State.RUNNING, None),
        (10_001, None, False, State.AWAITING_CONFIRMATION, Cause.CEILING),
        (10_001, 10_000, False, State.AWAITING_CONFIRMATION, Cause.CEILING),
        (10_001, 10_001, False, State.RUNNING, None),
        (1, 10, True, State.AWAITING_CONFIRMATION, Cause.PLAN_ONLY),
    ],
)
def test_a_plan_waits_where_somebody_has_to_say_yes(
    selected: int, confirmed: int | None, plan_only: bool, state: State, cause: Cause | None
) -> None:
    standing = after_planning(selected, plan_only=plan_only, confirmed_records=confirmed)
    assert (standing.state, standing.cause) == (state, cause)
    assert standing == Standing(state) if cause is None else standing.reason


def test_what_has_ended_stays_ended_and_everything_open_can_be_stopped() -> None:
    assert not {state for change in CHANGES.values() for state in change.from_states} & set(ENDED)
    assert CHANGES["stop"].from_states == OPEN
    assert set(OPEN) | set(ENDED) == set(State)


@pytest.mark.parametrize("rate", [1, 7, 200, 5_000])
def test_over_a_minute_no_more_than_the_rate_is_published_and_hardly_less(rate: int) -> None:
    bucket, published, at = TokenBucket(rate, at=100.0), 0, 100.0
    while at < 160.0:
        room = bucket.room(at)
        assert room <= BATCH_RECORDS_MAX
        bucket.take(room)
        published += room
        at += 0.05
    assert 60 * rate - rate - 1 <= published <= 60 * rate + rate


def test_after_a_pause_a_second_of_the_rate_may_go_at_once_and_no_more() -> None:
    bucket = TokenBucket(100, at=0.0)
    assert bucket.room(3_600.0) == 100
    bucket.take(100)
    assert bucket.room(3_600.0) == 0
    assert bucket.room(3_600.125) == 0
    assert bucket.room(3_600.25) == 25


@pytest.mark.parametrize(
    ("outcomes", "pauses"),
    [
        ({"failed": 49}, False),
        ({"failed": 10, "dispatched": 40}, False),
        ({"failed": 11, "dispatched": 39}, True),
        ({"failed": 11, "dispatched": 38, "pending": 1_000}, False),
        ({}, False),
    ],
)
def test_a_job_pauses_above_the_rate_of_failures_and_only_with_enough_outcomes(
    outcomes: dict[str, int], pauses: bool
) -> None:
    assert (too_many_failures(outcomes, BOUNDS) is not None) == pauses


def test_lag_pauses_above_its_bound_and_lets_go_at_half_of_it() -> None:
    assert too_far_behind(30.0, BOUNDS) is None
    assert too_far_behind(31.0, BOUNDS) == "live traffic is 31 s behind: more than 30 s"
    assert (caught_up(16.0, BOUNDS), caught_up(15.0, BOUNDS)) == (False, True)


def test_an_unknown_lag_neither_pauses_nor_resumes() -> None:
    assert (too_far_behind(None, BOUNDS), caught_up(None, BOUNDS)) == (None, False)


def test_outcomes_are_whole_once_nothing_published_is_pending() -> None:
    assert not outcomes_are_whole({"dispatched": 2, "pending": 1}, 3)
    assert outcomes_are_whole({"dispatched": 2, "failed": 1}, 3)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"delivery_ids": []},
        {"filter": {}, "offsets": [RANGE]},
        {"since": "2026-01-31T12:00:00Z"},
        {"since": "2026-01-31T12:00:00Z", "until": "2026-01-31T12:00:00Z"},
        {"filter": {}, "webhook_id": "0192f0c0-0000-7000-8000-0000000000aa"},
        {"filter": {"nothing": 1}},
        {"offsets": ["webhooks.request.rejected.v1:0:1-2"]},
        {"offsets": ["webhooks.request.received.v1:0:2-1"]},
        {"offsets": ["webhooks.request.received.v1:0:0-99999999"]},
    ],
)
def test_a_selection_has_exactly_one_form(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ReplaySelection.model_validate(given)


@pytest.mark.parametrize(
    "given",
    [
        {"delivery_ids": ["0192f0c0-0000-7000-8000-0000000000aa"]},
        {"filter": {}},
        {"offsets": [RANGE]},
        {"since": "2026-01-31T12:00:00Z", "until": "2026-01-31T13:00:00Z"},
    ],
)
def test_each_form_by_itself_is_taken(given: dict[str, Any]) -> None:
    assert ReplaySelection.model_validate(given).model_dump(mode="json", exclude_unset=True) == given
