"""What a statement that fails leaves behind: no rows in a later answer, and no data in what is said of it."""

import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
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


@pytest.fixture
def narrow_table(clickhouse: ClickHouse) -> Iterator[str]:
    """One whose refusal of a row quotes the row."""
    name = f"narrow_{uuid.uuid4().hex}"
    clickhouse.execute(f"CREATE TABLE {name} (body String, CONSTRAINT short CHECK length(body) < 9) ENGINE = Memory")
    yield name
    clickhouse.execute(f"DROP TABLE {name}")


def test_an_insert_that_fails_says_nothing_of_the_bodies_in_it(clickhouse: ClickHouse, narrow_table: str) -> None:
    body = '{"password": "hunter2 (PLANTED_SECRET)"}'
    with pytest.raises(ClickHouseRefusedError) as refusal:
        clickhouse.insert(narrow_table, pa.table({"body": [body]}))
    assert "hunter2" in str(refusal.value.__context__), "the driver's words do hold it"
    assert str(refusal.value) == "code 469 (VIOLATED_CONSTRAINT)"
    assert "hunter2" not in "".join(traceback.format_exception(refusal.value))


def test_a_refused_statement_is_told_by_its_code_and_the_beginning_of_the_refusal(clickhouse: ClickHouse) -> None:
    with pytest.raises(ClickHouseRefusedError) as refusal:
        clickhouse.query("SELECT * FROM no_such_table WHERE body = 'hunter2'")
    assert str(refusal.value) == "code 60 (UNKNOWN_TABLE): Unknown table expression identifier"
