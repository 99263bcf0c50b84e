"""What an engine had put out of a statement that fails is in no later answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.clickhouse import ClickHouse
from infra.errors import ClickHouseOverTimeError, ClickHouseRefusedError
from infra.settings import ClickHouseSettings

#: Several blocks are out when it fails.
_FAILING = "SELECT number, throwIf(number = 5000) FROM numbers(10000) SETTINGS max_block_size = 1000, max_threads = 1"
_SLOW = "SELECT number, sleepEachRow(0.01) FROM numbers(1000) SETTINGS max_block_size = 10, max_threads = 1"
_SECONDS_MAX = 0.5


@pytest.fixture
def clickhouse(clickhouse_engine: ClickHouse, stack_folder: Path) -> Iterator[ClickHouse]:
    """The session's engine over one connection, so that a statement goes where the one before went."""
    clickhouse_engine.ping()
    alone = ClickHouse(ClickHouseSettings(path=stack_folder / "clickhouse", connections_max=1))
    yield alone
    alone.close()


def test_rows_of_a_failed_statement_are_not_in_the_next_answer(clickhouse: ClickHouse) -> None:
    with pytest.raises(ClickHouseRefusedError):
        clickhouse.query(_FAILING)
    assert clickhouse.query("SELECT 'mine' AS whose") == [{"whose": "mine"}]


def test_rows_of_a_statement_that_took_too_long_are_not_in_the_next_answer(clickhouse: ClickHouse) -> None:
    with pytest.raises(ClickHouseOverTimeError):
        clickhouse.query(_SLOW, seconds_max=_SECONDS_MAX)
    assert clickhouse.query("SELECT 'mine' AS whose") == [{"whose": "mine"}]
