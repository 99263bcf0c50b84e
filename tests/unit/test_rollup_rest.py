"""How long the rollups rest between two counts."""

import pytest

from sinks.clickhouse.rollups import rest_of


@pytest.mark.parametrize(("took", "rests"), [(0.0, 5.0), (1.25, 5.0), (3.0, 12.0), (15.0, 60.0), (600.0, 60.0)])
def test_counting_that_takes_long_rests_four_times_as_long_but_no_more_than_a_minute(took: float, rests: float) -> None:
    assert rest_of(took, 5.0) == rests


def test_an_interval_that_is_longer_than_any_rest_is_kept() -> None:
    assert rest_of(3.0, 300.0) == 300.0
