"""External ids looked up among very many: by the unique index, with few pages for each, whoever the tenant is."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from hookline.embedded.postgres import PostgresServer
from infra.entities.references import ENTITY_QUERIES
from infra.postgres import Connection, open_pool, set_tenant
from infra.queries import load_queries
from schemas.encoding import record_bytes
from tests.support.actions import ActionBase, add_tenant
from tests.support.mappings import external_id, fill_mappings
from tests.support.stack import new_database

MAPPINGS, IDS = 100_000, 100
INDEX = "external_entity_mappings_external_key"
#: Root, inner page and leaf of the index, and the row; to lock it, the row twice and what says who sees its page.
BUFFERS_PER_ID, BUFFERS_PER_LOCK = 4, 3
_ACTIONS = Path(__file__).parents[2] / "sinks" / "actions"
STATEMENTS = {
    "of a set": load_queries(_ACTIONS / "queries.sql")["lock_many_mappings"],
    "of assets": load_queries(_ACTIONS / "assets" / "queries.sql")["lock_mappings"],
    "of what is tagged": load_queries(_ACTIONS / "tags" / "queries.sql")["lock_mappings"],
    "of other entities": ENTITY_QUERIES["mapping"],
}
#: Fewer than make autovacuum take statistics again.
LATE = 5_000
_COPY = """
INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id)
SELECT %s, mapping_id, webhook_id, entity_type, external_id, entity_id
FROM external_entity_mappings WHERE entity_type = 'ticket' ORDER BY external_id LIMIT %s
"""
_EXPLAIN = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE look_up ({}, {}, {})")


@pytest.fixture(scope="module")
def base(postgres: PostgresServer) -> Iterator[ActionBase]:
    with new_database(postgres.dsn) as dsn:
        base = ActionBase.prepare(dsn)
        for entity_type in ("asset", "ticket"):
            fill_mappings(base, MAPPINGS // 2, entity_type)
        yield base


@pytest.fixture(scope="module")
def connection(base: ActionBase) -> Iterator[Connection]:
    """As the sink has it."""
    pool = open_pool(base.settings(), generic_plans=True)
    with pool.connection() as connection:
        yield connection
    pool.close()


def plan_of(
    connection: Connection, statement: str, tenant_id: UUID, webhook_id: UUID, *, among: int = MAPPINGS // 2
) -> dict[str, Any]:
    """The plan of a look-up of random ids, as it was run."""
    entity_type = "asset" if "'asset'" in statement else "ticket"
    numbers = Random(1).sample(range(among), IDS)
    wanted = [
        {"webhook_id": webhook_id, "entity_type": entity_type, "external_id": external_id(number, entity_type)}
        for number in numbers
    ]
    numbered = statement % {"tenant_id": "$1", "entity_type": "$2", "wanted": "$3"}
    values = (sql.Literal(tenant_id), sql.Literal(entity_type), sql.Literal(record_bytes(wanted).decode()))
    with connection.transaction(force_rollback=True):
        set_tenant(connection, tenant_id)
        connection.execute(f"PREPARE look_up (uuid, text, text) AS {numbered}".encode())
        [row] = connection.execute(_EXPLAIN.format(*values)).fetchall()
        connection.execute("DEALLOCATE look_up")
    plan: dict[str, Any] = row["QUERY PLAN"][0]["Plan"]
    assert plan["Actual Rows"] == IDS
    return plan


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The node and all below it."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes_of(child)


def buffers_of(node: dict[str, Any]) -> int:
    """Pages that the node and those below it looked at; a page counts each time."""
    return int(node["Shared Hit Blocks"] + node["Shared Read Blocks"])


def look_up_of(plan: dict[str, Any]) -> dict[str, Any]:
    """The node that reads the mappings, which has to do so by all that makes one unique but its realm."""
    [node] = [each for each in nodes_of(plan) if each.get("Relation Name") == "external_entity_mappings"]
    assert node.get("Index Name") == INDEX, node["Node Type"]
    assert "external_id" in node["Index Cond"]
    return node


@pytest.mark.parametrize("what", STATEMENTS)
def test_a_set_of_external_ids_is_found_by_the_unique_index(
    base: ActionBase, connection: Connection, what: str
) -> None:
    plan = plan_of(connection, STATEMENTS[what], base.tenant.tenant_id, base.webhook_id)
    node = look_up_of(plan)
    assert buffers_of(node) <= BUFFERS_PER_ID * IDS
    locks = BUFFERS_PER_LOCK if "FOR " in STATEMENTS[what] else 0
    assert buffers_of(plan) <= (BUFFERS_PER_ID + locks) * IDS


def test_so_are_those_of_a_tenant_that_came_after_the_last_analyze(base: ActionBase, connection: Connection) -> None:
    """A plan for the values at hand expects one row of such a tenant, and reads every row that it has."""
    late = add_tenant(base)
    with psycopg.connect(base.dsn) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute(_COPY, [late, LATE])
    for statement in STATEMENTS.values():
        if "'asset'" not in statement:
            look_up_of(plan_of(connection, statement, late, base.webhook_id, among=LATE))
