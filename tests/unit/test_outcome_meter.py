"""Outcomes against the target of their priority."""

import pytest

from infra import metrics
from infra.settings import SlaSettings
from infra.sla import OutcomeMeter

_SECOND = 1_000_000


def _value(name: str, priority: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, {"priority": priority, **labels}) or 0.0


@pytest.mark.parametrize(
    ("priority", "name", "target"), [(0, "low", 300), (1, "normal", 60), (2, "high", 10), (3, "critical", 5)]
)
def test_an_outcome_on_time_is_no_breach_and_one_after_it_is(priority: int, name: str, target: int) -> None:
    meter = OutcomeMeter(SlaSettings())
    breaches, outcomes = "hookline_sla_breaches_total", "hookline_outcome_seconds_count"
    before = _value(breaches, name), _value(outcomes, name)
    meter.measure(priority, 0, target * _SECOND)
    assert (_value(breaches, name), _value(outcomes, name)) == (before[0], before[1] + 1)
    meter.measure(priority, 0, target * _SECOND + 1)
    assert (_value(breaches, name), _value(outcomes, name)) == (before[0] + 1, before[1] + 2)
    assert _value("hookline_sla_target_seconds", name) == target


def test_a_receiver_whose_clock_is_ahead_does_not_make_time_negative() -> None:
    before = _value("hookline_outcome_seconds_sum", "low")
    OutcomeMeter(SlaSettings()).measure(0, 5 * _SECOND, 0)
    assert _value("hookline_outcome_seconds_sum", "low") == before
