"""Where an alert is raised, where it is resolved, and that nothing changes in between."""

from uuid import UUID

import pytest

from management.alerting.core.judgements import (
    Backlog,
    Level,
    Outcomes,
    hours_in_words,
    judge_backlog,
    judge_dead_letters,
    judge_failures,
)
from management.alerting.core.overrides import Overrides
from management.alerting.core.rhythm import HOUR_US
from management.alerting.core.rules import RULES, DataLoss, DeadLetters, FailureRate

NOW_US = 1_000_000 * HOUR_US
WEEK_US = 168 * HOUR_US


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


@pytest.mark.parametrize(
    ("age_hours", "retention_hours", "level"),
    [
        (1, 168, Level.CLEAR),
        (168 - 36, 168, Level.BETWEEN),
        (168 - 24, 168, Level.RAISED),
        (300, 168, Level.RAISED),
        (0.1, 4, Level.CLEAR),  # a short retention is not always about to lose
        (2, 4, Level.RAISED),
    ],
)
def test_a_backlog_is_held_to_the_retention_of_its_topic(age_hours: float, retention_hours: int, level: Level) -> None:
    backlog = Backlog("group", "topic", 5, 0, NOW_US - int(age_hours * HOUR_US), retention_hours * HOUR_US)
    assert judge_backlog(DataLoss(), backlog, NOW_US).level is level


def test_what_is_lost_is_said_and_what_is_not_known_changes_nothing() -> None:
    lost = judge_backlog(DataLoss(), Backlog("group", "topic", 0, 7, None, WEEK_US), NOW_US)
    assert (lost.level, lost.message) == (Level.RAISED, "consumer group has lost 7 records of topic: deleted unread.")
    assert judge_backlog(DataLoss(), Backlog("group", "topic", 3, 0, None, WEEK_US), NOW_US).level is Level.BETWEEN
    assert judge_backlog(DataLoss(), Backlog("group", "topic", 0, 0, None, WEEK_US), NOW_US).level is Level.CLEAR


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
