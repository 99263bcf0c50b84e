"""The rollups equal the deliveries they were counted from, whatever is repeated, late, interrupted or deleted."""

import random
import threading
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.errors import ClickHouseUnavailableError
from sinks.clickhouse.rollups import RECOUNT_SECONDS, Rollups
from tests.support.rollups import HOUR_US, MINUTE_US, SLA, SPANS, Log, Made, check, count_all, make, rolled_up, truth

DAY_US = 24 * HOUR_US


@pytest.fixture
def log(clickhouse_engine: ClickHouse) -> Log:
    return Log(clickhouse_engine)


def _traffic(chance: random.Random, count: int, *, hours: int = 3) -> list[Made]:
    webhooks, now = [str(uuid.uuid4()) for _ in range(3)], now_us()
    return [make(chance, chance.choice(webhooks), now - chance.randrange(hours * HOUR_US)) for _ in range(count)]


def _check_both(log: Log) -> None:
    for span in SPANS:
        check(rolled_up(log.clickhouse, log.tenant_id, span), truth(log.made.values(), span))


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 12))])
def test_rollups_equal_the_deliveries_with_repeated_inserts_and_late_outcomes(log: Log, seed: int) -> None:
    chance = random.Random(seed)
    rollups = Rollups(log.clickhouse, SLA)
    made = _traffic(chance, 200)
    waiting: list[Made] = []
    for begin in range(0, len(made), 50):
        log.requests(made[begin : begin + 50])
        waiting += made[begin : begin + 50]
        chance.shuffle(waiting)
        log.outcomes(waiting[:25])
        waiting = waiting[25:]
        log.repeat(chance.randrange(begin // 50 + 1))
        log.source = replace(log.source, partition=chance.randrange(3))  # under another token: the rows come again
        if chance.random() < 0.5:
            count_all(rollups)
    count_all(rollups)
    _check_both(log)
    log.outcomes(waiting)
    log.clickhouse.execute("OPTIMIZE TABLE delivery_minutes FINAL")
    count_all(rollups)
    _check_both(log)


def test_a_minute_without_new_rows_is_not_counted_again(log: Log) -> None:
    rollups = Rollups(log.clickhouse, SLA)
    count_all(rollups)
    log.requests(_traffic(random.Random(3), 20))
    assert rollups.count_marked(sweep=False) > 0
    assert rollups.count_marked(sweep=True) == 0


def test_counts_and_inserts_at_once_leave_the_whole(log: Log) -> None:
    """Two processes that both believe to lead, while the sink writes."""
    made = _traffic(random.Random(4), 240)
    done = threading.Event()
    failures: list[BaseException] = []

    def count_until_done() -> None:
        try:
            while not done.is_set():
                Rollups(log.clickhouse, SLA).count_marked(sweep=False)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=count_until_done) for _ in range(2)]
    for thread in threads:
        thread.start()
    for begin in range(0, len(made), 60):
        log.outcomes(made[begin : begin + 60])
        log.requests(made[begin : begin + 60])
    done.set()
    for thread in threads:
        thread.join(30)
    assert failures == []
    count_all(Rollups(log.clickhouse, SLA))
    _check_both(log)


def test_a_count_of_older_rows_that_ends_later_does_not_replace_a_newer_one(log: Log) -> None:
    rollups = Rollups(log.clickhouse, SLA)
    made = _traffic(random.Random(5), 40, hours=1)
    log.requests(made)
    count_all(rollups)
    statement = "INSERT INTO delivery_SPANs SELECT * FROM delivery_SPANs FINAL WHERE tenant_id = {tenant_id:UUID}"
    kept = "CREATE TABLE older_SPANs ENGINE = Memory AS SELECT * FROM delivery_SPANs WHERE tenant_id = {tenant_id:UUID}"
    for span in SPANS:
        log.clickhouse.execute(kept.replace("SPAN", span), {"tenant_id": log.tenant_id})
    log.outcomes(made)
    count_all(rollups)
    for span in SPANS:
        again = statement.replace("FROM delivery_SPANs FINAL", "FROM older_SPANs").replace("SPAN", span)
        log.clickhouse.execute(again, {"tenant_id": log.tenant_id})
        log.clickhouse.execute(f"DROP TABLE older_{span}s")
    _check_both(log)


class _Interrupted(ClickHouse):
    """Fails before, or after, the n-th statement that writes."""

    def __init__(self, engine: ClickHouse, steps: int) -> None:
        self._engine = engine
        self.steps = steps

    def query(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, seconds_max: float | None = None
    ) -> list[dict[str, Any]]:
        return self._engine.query(sql, parameters, seconds_max=seconds_max)

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        if self.steps == 0:
            raise ClickHouseUnavailableError("interrupted")
        self.steps -= 1
        self._engine.execute(sql, parameters)


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_count_that_dies_between_two_statements_is_made_whole_by_the_next(log: Log, steps: int) -> None:
    made = _traffic(random.Random(6), 60)
    log.requests(made)
    count_all(Rollups(log.clickhouse, SLA))
    log.outcomes(made)
    with pytest.raises(ClickHouseUnavailableError):
        Rollups(_Interrupted(log.clickhouse, steps), SLA).count_marked(sweep=False)
    count_all(Rollups(log.clickhouse, SLA))
    _check_both(log)


def test_a_minute_whose_rows_were_deleted_keeps_what_it_was(log: Log) -> None:
    rollups = Rollups(log.clickhouse, SLA)
    made = _traffic(random.Random(7), 60, hours=1)
    log.requests(made)
    log.outcomes(made)
    count_all(rollups)
    before = {span: rolled_up(log.clickhouse, log.tenant_id, span) for span in SPANS}
    log.clickhouse.execute(
        "DELETE FROM deliveries WHERE tenant_id = {tenant_id:UUID} AND delivery_id != {kept:UUID}",
        {"tenant_id": log.tenant_id, "kept": made[0].delivery_id},
    )
    log.requests(made[:1])
    assert rollups.count_marked(sweep=False) > 0
    assert {span: rolled_up(log.clickhouse, log.tenant_id, span) for span in SPANS} == before
    assert rollups.count_marked(sweep=True) == 0


def test_a_minute_that_retention_may_have_reached_is_left_alone(log: Log) -> None:
    old = now_us() - RECOUNT_SECONDS * 1_000_000 - 2 * MINUTE_US
    log.requests([make(random.Random(8), str(uuid.uuid4()), old)])
    rollups = Rollups(log.clickhouse, SLA)
    rollups.mark_unmarked()
    count_all(rollups)
    assert rolled_up(log.clickhouse, log.tenant_id, "minute") == {}


def test_rows_that_nobody_marked_are_found(log: Log) -> None:
    made = _traffic(random.Random(9), 30)
    log.requests(made)
    log.outcomes(made)
    log.clickhouse.execute("DELETE FROM rollup_marks WHERE tenant_id = {tenant_id:UUID}", {"tenant_id": log.tenant_id})
    rollups = Rollups(log.clickhouse, SLA)
    count_all(rollups)
    assert rolled_up(log.clickhouse, log.tenant_id, "hour") == {}
    rollups.mark_unmarked()
    count_all(rollups)
    _check_both(log)
