"""Where an alert is raised, where it is resolved, and that nothing changes in between."""

from typing import Any
from uuid import UUID

import pytest

from infra.clock import HOUR_US
from infra.ledger.core.counts import Kind
from management.alerting.core.judgements import (
    Horizon,
    Level,
    Outcomes,
    hours_in_words,
    judge_dead_letters,
    judge_failures,
    judge_horizon,
)
from management.alerting.core.ledger import Finding, finding_name, judge_finding, severity_of
from management.alerting.core.overrides import Overrides
from management.alerting.core.rules import RULES, DataLoss, DeadLetters, FailureRate, Ledger
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


def test_a_difference_of_the_ledger_is_told_with_kind_count_hours_and_offsets() -> None:
    found = Finding(
        Kind.LOSS, 1_200, 2, 0, HOUR_US, ("in the topic, but not in the log",), ("raw-0:3-1201", "raw-1:7-7")
    )
    judgement = judge_finding(found)
    assert judgement.level is Level.RAISED
    assert judgement.message == (
        "loss: 1,200 records missing, received from 1970-01-01T00:00:00.000Z to 1970-01-01T02:00:00.000Z; "
        "offsets raw-0:3-1201, raw-1:7-7; in the topic, but not in the log."
    )
    assert (judgement.details["records"], judgement.details["offsets"]) == (1_200, ["raw-0:3-1201", "raw-1:7-7"])
    assert finding_name(Kind.LOSS, 1_000_000 * HOUR_US) == "loss found 2084-01-29T16:00:00.000Z"


def test_no_more_than_ten_ranges_are_words_and_a_difference_without_a_place_has_its_own() -> None:
    places = tuple(f"webhooks.request.received.v1-11:{one}000000000-{one}000000000" for one in range(100))
    many = judge_finding(Finding(Kind.LATE_PENDING, 9_999, 5_000, 0, 0, ("no outcome is in the log",), places))
    assert f"offsets {', '.join(places[:10])} and 4,990 more; no outcome" in many.message
    assert places[10] not in many.message
    assert len(many.message) < 2_000, "the table takes no more"
    assert (len(many.details["offsets"]), many.details["ranges"]) == (100, 5_000)
    placeless = judge_finding(Finding(Kind.ALTERED, 1, 0, 0, 0, ("5 requests when the hour was entered, 4 now",), ()))
    assert placeless.message.startswith(
        "altered: 1 record changed or taken out of an hour that was counted, received from"
    )
    assert placeless.message.endswith("T01:00:00.000Z; 5 requests when the hour was entered, 4 now.")


def test_only_what_has_no_outcome_yet_is_no_more_than_a_warning() -> None:
    severities = {kind: severity_of(Ledger(), kind) for kind in Kind}
    assert severities.pop(Kind.LATE_PENDING) == "warning"
    assert set(severities.values()) == {"critical"}
