"""Where an alert is raised, where it is resolved, and that nothing changes in between."""

from typing import Any
from uuid import UUID

import pytest

from management.alerting.core.judgements import (
    Horizon,
    Level,
    Outcomes,
    hours_in_words,
    judge_dead_letters,
    judge_failures,
    judge_horizon,
)
from management.alerting.core.overrides import Overrides
from management.alerting.core.rules import RULES, DataLoss, DeadLetters, FailureRate
from management.horizon import data_loss_seconds

HOUR = 3_600


@pytest.mark.parametrize(
    ("finished", "failed", "level"),
    [
        (10, 2, Level.RAISED),
        (9, 9, Level.BETWEEN),  # too few to say so, too many to call it over
        (100, 19, Level.BETWEEN),
        (100, 10, Level.BETWEEN),
        (100, 9, Level.CLEAR),
        (0, 0, Level.CLEAR),
    ],
)
def test_a_share_is_raised_at_its_bound_and_resolved_below_half_of_it(finished: int, failed: int, level: Level) -> None:
    assert judge_failures(FailureRate(), Outcomes(finished, failed)).level is level


def test_one_dead_letter_is_enough_and_none_is_over() -> None:
    assert judge_dead_letters(DeadLetters(), 1).level is Level.RAISED
    assert judge_dead_letters(DeadLetters(), 0).level is Level.CLEAR


def horizon(**members: Any) -> Horizon:
    """Five records wait in a topic that keeps a week."""
    return Horizon("group", "topic", 5, 0, 168 * HOUR, None, None)._replace(**members)


@pytest.mark.parametrize(
    ("left_hours", "pace", "retention_hours", "level"),
    [
        (167, None, 168, Level.CLEAR),
        (36, None, 168, Level.BETWEEN),
        (24, None, 168, Level.RAISED),
        (0, None, 168, Level.RAISED),
        (3.9, None, 4, Level.CLEAR),  # a short retention is not always about to lose
        (2, None, 4, Level.RAISED),
        (20, 0.5, 168, Level.BETWEEN),  # lost in forty hours
        (10, 0.5, 168, Level.RAISED),
        (10, 1.5, 168, Level.BETWEEN),  # it catches up: nothing new, and what is open stays so until it has
        (40, 1.5, 168, Level.CLEAR),
    ],
)
def test_a_backlog_is_held_to_what_is_left_at_its_pace(
    left_hours: float, pace: float | None, retention_hours: float, level: Level
) -> None:
    left = left_hours * HOUR
    found = horizon(
        retention_seconds=retention_hours * HOUR,
        retention_left_seconds=left,
        data_loss_seconds=data_loss_seconds(left, pace),
    )
    assert judge_horizon(DataLoss(), found).level is level


def test_what_is_lost_is_said_and_what_is_not_known_changes_nothing() -> None:
    lost = judge_horizon(DataLoss(), horizon(records=0, lost_records=7))
    assert (lost.level, lost.message) == (Level.RAISED, "consumer group has lost 7 records of topic: deleted unread.")
    assert judge_horizon(DataLoss(), horizon()).level is Level.BETWEEN
    assert judge_horizon(DataLoss(), horizon(records=0)).level is Level.CLEAR
    assert judge_horizon(DataLoss(), horizon(retention_seconds=None)).level is Level.CLEAR


def test_the_time_that_is_left_is_told_as_people_do() -> None:
    assert [hours_in_words(hours) for hours in (3 + 1 / 6, 0.5, 71.9, 0)] == ["3 h 10 m", "30 m", "2 d 23 h", "0 m"]


def test_parameters_of_another_release_are_not_followed() -> None:
    tenant_id, webhook_id = UUID(int=1), UUID(int=2)
    stored = {"tenant_id": tenant_id, "rule": "failure_rate", "webhook_id": None}
    rule = RULES["failure_rate"]
    for parameters in ({"gone": 1}, {"window_minutes": 20}):
        overrides = Overrides([{**stored, "parameters": parameters}])
        assert overrides.of(rule, tenant_id, webhook_id) == rule.defaults
        assert overrides.windows(rule) == [60]
    wider = Overrides([{**stored, "parameters": {"window_minutes": 360}}])
    assert wider.windows(rule) == [60, 360]
