"""Batches that lock the same rows in other orders: none fails, none hangs, every command has its effect."""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import orjson
import psycopg
import pytest

from infra.clock import now_us
from infra.postgres import Pool, open_pool
from sinks.actions.command import PendingCommand, parse_command
from sinks.actions.execution import Outcome, execute_batch
from tests.support.actions import TRACE_HEADERS, ActionBase, builtin_registry
from tests.support.assets import ACTION
from tests.support.wait import eventually

OTHER_WEBHOOK = UUID(int=2 << 96)
IDS = [str(number) for number in range(6)]
WAIT_SECONDS_MAX = 60.0
ONE_KEY = b"all of a batch in one order"


@pytest.fixture
def base(migrated_dsn: str) -> ActionBase:
    """Six assets and six tickets, each mapped in two namespaces; a deadlock is found in no time."""
    base = ActionBase.prepare(migrated_dsn)
    base.register(OTHER_WEBHOOK)
    assets = [base.request({"external_id": each, "title": ...}, action=ACTION) for each in IDS]
    tickets = [base.request({"external_id": each}) for each in IDS]
    assert {outcome.status for outcome in base.run(*assets, *tickets)} == {"dispatched"}
    base.write(
        "INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id) "
        "SELECT tenant_id, gen_random_uuid(), %s, entity_type, external_id, entity_id FROM external_entity_mappings",
        [OTHER_WEBHOOK],
    )
    base.write("DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I SET deadlock_timeout = 20', current_database()); END $$")
    return base


@pytest.fixture
def pool(base: ActionBase) -> Iterator[Pool]:
    pool = open_pool(base.settings())
    yield pool
    pool.close()


def updates(base: ActionBase, webhook_id: UUID, ids: Sequence[str], word: str) -> list[PendingCommand]:
    """Each asset and each ticket told a word: the first webhook tells of other columns than the second."""
    is_first = webhook_id == base.webhook_id
    of_asset, of_ticket = ("status", "description") if is_first else ("location", "title")
    requests = []
    for each in ids:
        common = {"external_id": each, "client_id": ..., "title": ...}
        asset, ticket = common | {of_asset: word}, common | {of_ticket: word}
        requests.append(base.request(asset, action=ACTION, webhook_id=str(webhook_id)))
        requests.append(base.request(ticket, action="updateTicketByExternalId", webhook_id=str(webhook_id)))
    registry = builtin_registry()
    return [parse_command(orjson.dumps(each), TRACE_HEADERS, registry, key=ONE_KEY) for each in requests]


def words(base: ActionBase) -> list[tuple[str, str]]:
    """What each asset and each ticket was told last through either webhook; without the demo's own."""
    rows = base.rows(
        "SELECT status AS first, location AS second FROM assets WHERE asset_tag IS NULL "
        "UNION ALL SELECT description, title FROM tickets"
    )
    assert len(rows) == 2 * len(IDS)
    return [(row["first"], row["second"]) for row in rows]


def test_two_batches_that_meet_again_and_again_in_random_orders_both_have_their_effect(
    base: ActionBase, pool: Pool
) -> None:
    randomness, start = random.Random(17), Barrier(2)

    def run(commands: Sequence[PendingCommand]) -> list[Outcome]:
        with pool.connection() as connection:
            start.wait(WAIT_SECONDS_MAX)
            return execute_batch(connection, commands, now_us=now_us(), attempts_max=3)

    with ThreadPoolExecutor(2) as threads:
        for number in range(10):
            batches = []
            for webhook_id in (base.webhook_id, OTHER_WEBHOOK):
                commands = updates(base, webhook_id, randomness.sample(IDS, len(IDS)), f"round {number}")
                batches.append(threads.submit(run, randomness.sample(commands, len(commands))))
            outcomes = [outcome for batch in batches for outcome in batch.result(WAIT_SECONDS_MAX)]
            assert {outcome.status for outcome in outcomes} == {"dispatched"}
            assert {outcome.body["changed"] for outcome in outcomes} == {True}
            assert set(words(base)) == {(f"round {number}", f"round {number}")}
    assert base.count("applied_commands") == 2 * len(IDS) * (1 + 2 * 10)


@pytest.mark.parametrize(("table", "attempts_max"), [("assets", 3), ("tickets", 3), ("assets", 1)])
def test_a_batch_in_a_deadlock_lets_go_of_everything_and_then_succeeds(
    base: ActionBase, pool: Pool, table: str, attempts_max: int
) -> None:
    """Somebody has the last row and waits for the first, which the batch has, before the batch asks for the last."""
    first, middle, last = rows_of(base, table)
    commands = updates(base, base.webhook_id, IDS[:3], "told")
    lock = f"SELECT id FROM {table} WHERE id = %s FOR UPDATE".encode()  # noqa: S608  # a test's constant

    def run() -> list[Outcome]:
        with pool.connection() as connection:
            return execute_batch(connection, commands, now_us=now_us(), attempts_max=attempts_max)

    with psycopg.connect(base.dsn) as gate, psycopg.connect(base.dsn) as other, ThreadPoolExecutor(2) as threads:
        gate.execute(lock, [middle])
        other.execute("SET deadlock_timeout = '1h'")  # so that it is the batch that finds out
        other.execute(lock, [last])
        batch = threads.submit(run)
        wait_for_block(base, "blocked_by", gate)
        waiting = threads.submit(other.execute, lock, [first])
        wait_for_block(base, "is_blocked", other)
        gate.rollback()
        waiting.result(WAIT_SECONDS_MAX)  # the batch has let go of the first row
        other.rollback()
        outcomes = batch.result(WAIT_SECONDS_MAX)
    assert {outcome.status for outcome in outcomes} == {"dispatched"}
    assert min(outcome.attempts for outcome in outcomes) >= 2
    assert sum(word == "told" for word, _ in words(base)) == len(commands)
    assert base.count("outbox") == 2 * len(IDS) + len(commands)


def rows_of(base: ActionBase, table: str) -> list[UUID]:
    """The entities of the first three external ids."""
    mapped = base.rows(
        "SELECT entity_id FROM external_entity_mappings "
        "WHERE webhook_id = %s AND entity_type = %s AND external_id = ANY(%s) ORDER BY external_id",
        [base.webhook_id, table.removesuffix("s"), IDS[:3]],
    )
    return [row["entity_id"] for row in mapped]


_BLOCKED = {
    "blocked_by": "SELECT pid FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))",
    "is_blocked": "SELECT 1 WHERE cardinality(pg_blocking_pids(%s)) > 0",
}


def wait_for_block(base: ActionBase, how: str, connection: psycopg.Connection[Any]) -> None:
    """Wait until somebody waits for a lock of the connection, or the connection for one."""
    pid = connection.info.backend_pid
    eventually(lambda: base.rows(_BLOCKED[how], [pid]), timeout_seconds=WAIT_SECONDS_MAX, what=how)
