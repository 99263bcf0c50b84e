"""How often deliveries are replayed, counted by many at once; and what is forgotten of replays, and when.

No management runs on this database: it would forget, too, and what it had forgotten a test could not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from hookline.embedded.postgres import PostgresServer
from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.postgres import Pool, open_pool, tenant_transaction
from infra.settings import PostgresSettings
from management.replaying.counts import count_replays
from management.replaying.forgetting import forget_changes, forget_replays
from schemas.headers import Replay
from tests.support.analytics import delivery_ids, request_record
from tests.support.management import make_tenant, owner_of
from tests.support.retention import DAY_US, keep
from tests.support.stack import new_database

INSERT = """INSERT INTO delivery_replays (tenant_id, delivery_id, webhook_id, origin_id, replay_id, mode, replayed_by,
    replayed_at, change_kind, change) VALUES (%s, %s, %s, %s, %s, 'redrive', '{}', %s, 'patch', %s)"""


Owner = psycopg.Connection[dict[str, Any]]


@pytest.fixture(scope="module")
def dsn(postgres: PostgresServer, migrated_template: str) -> Iterator[str]:
    with new_database(postgres.dsn, template=migrated_template) as made:
        yield made


@pytest.fixture(scope="module")
def owner(dsn: str) -> Iterator[Owner]:
    with owner_of(dsn) as connection:
        yield connection


@pytest.fixture(scope="module")
def pool(dsn: str) -> Iterator[Pool]:
    opened = open_pool(PostgresSettings(dsn=SecretStr(dsn), pool_connections_max=10))
    yield opened
    opened.close()


@pytest.fixture
def tenant_id(dsn: str) -> UUID:
    """Of a tenant of this test's own."""
    return make_tenant(dsn, f"t-{uuid4().hex[:12]}").id


def counted(pool: Pool, tenant_id: UUID, maxima: dict[UUID, int]) -> set[UUID]:
    with tenant_transaction(pool, tenant_id) as connection:
        return count_replays(connection, tenant_id, maxima)


def test_of_many_who_count_at_once_as_many_go_as_may(dsn: str, owner: Owner, pool: Pool, tenant_id: UUID) -> None:
    origins = [uuid4() for _ in range(20)]
    maxima = {origin: number % 5 for number, origin in enumerate(origins)}
    orders = [dict(sorted(maxima.items(), reverse=bool(number % 2))) for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        went = list(threads.map(lambda order: counted(pool, tenant_id, order), orders))
    assert {origin: sum(origin in one for one in went) for origin in origins} == maxima
    rows = owner.execute("SELECT origin_id, replays FROM replay_counts WHERE origin_id = ANY(%s)", [origins])
    assert {row["origin_id"]: row["replays"] for row in rows} == {one: most for one, most in maxima.items() if most}
    assert counted(pool, tenant_id, {origins[1]: 2}) == {origins[1]}, "a limit that is raised counts from then on"
    assert counted(pool, tenant_id, {}) == set()
    other_id = make_tenant(dsn, f"t-{uuid4().hex[:12]}").id
    assert counted(pool, other_id, {origins[1]: 1}) == {origins[1]}, "each tenant has its own"


def test_a_change_goes_with_its_body_and_all_the_rest_with_the_rows_that_are_kept_longest(
    clickhouse_engine: ClickHouse, owner: Owner, pool: Pool, tenant_id: UUID
) -> None:
    webhook_id, replay_id = uuid4(), uuid4()
    ages = {"young": 0, "expired": 31 * DAY_US, "old": 401 * DAY_US}
    ids: dict[str, str] = {}
    for name, age_us in ages.items():
        at_us = now_us() - age_us
        [ids[name]] = delivery_ids(1, at_us)
        members = {"tenant_id": str(tenant_id), "webhook_id": str(webhook_id)}
        replay = Replay(str(replay_id), str(uuid4()), "redrive", 1)
        keep(clickhouse_engine, requests=[request_record(ids[name], at_us, b'{"a": 1}', replay=replay, **members)])
        at = datetime.fromtimestamp(at_us / 1_000_000, UTC)
        owner.execute(INSERT, (tenant_id, ids[name], webhook_id, uuid4(), replay_id, at, Jsonb([])))
        owner.execute(
            "INSERT INTO replay_counts (tenant_id, origin_id, replays, replays_max, last_at) VALUES (%s, %s, 1, 9, %s)",
            (tenant_id, ids[name], at),
        )
    on_its_way = uuid4()
    late = datetime.now(UTC) - timedelta(hours=1)
    owner.execute(INSERT, (tenant_id, on_its_way, webhook_id, uuid4(), replay_id, late, Jsonb([])))
    assert forget_changes(pool, clickhouse_engine, tenant_id) >= 1
    assert forget_replays(pool, tenant_id) == 2
    kept = owner.execute("SELECT * FROM delivery_replays WHERE replay_id = %s", [replay_id])
    changes = {str(row["delivery_id"]): row["change"] for row in kept}
    assert changes == {ids["young"]: [], ids["expired"]: None, str(on_its_way): []}
    counts = owner.execute(
        "SELECT origin_id FROM replay_counts WHERE origin_id = ANY(%s)", [[*map(UUID, ids.values())]]
    )
    assert {str(row["origin_id"]) for row in counts} == {ids["young"], ids["expired"]}
