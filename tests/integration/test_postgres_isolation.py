"""Row-level security as the service role meets it, constraints of the schema, and what errors mean."""

from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors

from infra.errors import PostgresUnavailableError
from infra.postgres import PostgresFault, fault_of, open_pool, set_tenant, unavailability_translated
from infra.settings import PostgresSettings
from tests.support.actions import ActionBase

SECURED_TABLES = (
    *("tenants", "users", "teams", "api_keys", "webhooks", "clients", "client_locations", "contacts", "assets"),
    "asset_rmm_details",
    *("boards", "ticket_statuses", "ticket_priorities", "ticket_categories", "tickets", "ticket_assets"),
    *("external_entity_mappings", "applied_commands", "outbox"),
    *("roles", "user_roles", "sessions", "sign_in_failures", "api_rate_buckets"),
    *("webhook_secrets", "webhook_versions", "webhook_tests", "configuration_outbox", "audit_entries", "event_types"),
    "erasures",
    *("services", "invoices", "projects", "project_phases", "project_statuses", "project_tasks"),
    *("non_billable_categories", "interactions", "time_periods", "time_sheets", "time_entries"),
    *("ticket_comments", "tags", "entity_tags", "alerts", "alert_rules"),
    *("ledger_entries", "ledger_differences"),
    "dead_letters",
    *("delivery_replays", "replay_counts"),
    *("replays", "replay_ranges", "replay_cursors", "replay_batches", "replay_records"),
)


SECOND_MAPPING = """
INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id)
SELECT tenant_id, gen_random_uuid(), webhook_id, entity_type, 'other', entity_id FROM external_entity_mappings
"""


@pytest.fixture
def base(migrated_dsn: str) -> ActionBase:
    base = ActionBase.prepare(migrated_dsn)
    asset_id = str(base.tenant.ids["asset"])
    base.run(base.request({"external_id": "a", "asset_id": asset_id}))
    return base


def visible(base: ActionBase, tenant_id: UUID | None) -> dict[str, int]:
    pool = open_pool(base.settings())
    try:
        with pool.connection() as connection, connection.transaction():
            if tenant_id is not None:
                set_tenant(connection, tenant_id)
            counts = {}
            for table in SECURED_TABLES:
                row = connection.execute(f"SELECT count(*) AS count FROM {table}".encode()).fetchone()  # noqa: S608
                assert row is not None
                counts[table] = row["count"]
            return counts
    finally:
        pool.close()


def test_a_query_without_a_tenant_or_with_another_sees_nothing(base: ActionBase) -> None:
    nothing = dict.fromkeys(SECURED_TABLES, 0)
    assert visible(base, None) == nothing
    assert visible(base, uuid4()) == nothing
    everything = {
        table: base.rows(f"SELECT count(*) AS count FROM {table}")[0]["count"]  # noqa: S608
        for table in SECURED_TABLES
    }
    assert visible(base, base.tenant.tenant_id) == everything
    assert sum(count > 0 for count in everything.values()) >= 18


def test_every_table_with_tenants_is_secured(base: ActionBase) -> None:
    found = base.rows(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relrowsecurity AND c.relforcerowsecurity"
    )
    assert {row["relname"] for row in found} == set(SECURED_TABLES)
    others = base.rows(
        "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'public' AND c.relkind = 'r' AND NOT c.relrowsecurity"
    )
    assert [row["relname"] for row in others] == ["hookline_migrations"]


def test_the_tenant_ends_with_its_transaction(base: ActionBase) -> None:
    pool = open_pool(base.settings().model_copy(update={"pool_connections_max": 1}))
    try:
        with pool.connection() as connection:
            set_tenant(connection, base.tenant.tenant_id)
            assert connection.execute("SELECT id FROM tickets").fetchall() != []
            connection.commit()
            assert connection.execute("SELECT id FROM tickets").fetchall() == []
    finally:
        pool.close()


def test_writing_a_row_of_another_tenant_is_refused(base: ActionBase) -> None:
    pool = open_pool(base.settings())
    try:
        with pool.connection() as connection:
            set_tenant(connection, uuid4())
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(
                    "INSERT INTO teams (tenant_id, id, name) VALUES (%s, %s, 'x')", (base.tenant.tenant_id, uuid4())
                )
            connection.rollback()
    finally:
        pool.close()


def test_the_service_role_cannot_step_up(base: ActionBase) -> None:
    pool = open_pool(base.settings())
    try:
        with pool.connection() as connection:
            row = connection.execute(
                "SELECT current_user::text AS name, rolbypassrls, rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            assert row == {"name": "hookline_service", "rolbypassrls": False, "rolsuper": False}
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute("CREATE TABLE mine (id int)")
            connection.rollback()
    finally:
        pool.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tickets SET closed_at = now()",
        "UPDATE tickets SET is_closed = true",
        "UPDATE tickets SET status_id = (SELECT id FROM ticket_statuses WHERE name = 'Closed')",
        "UPDATE tickets SET subcategory_id = (SELECT id FROM ticket_categories WHERE name = 'Disk')",
        "UPDATE tickets SET delivery_id = NULL",
        "UPDATE tickets SET attributes = '[]'",
        "UPDATE boards SET is_active = false",
        "UPDATE ticket_statuses SET is_default = true",
        "UPDATE ticket_categories SET parent_id = (SELECT id FROM ticket_categories WHERE name = 'Disk')",
        "UPDATE clients SET id = gen_random_uuid()",
        "DELETE FROM clients",
        "INSERT INTO clients (tenant_id, id, name) SELECT tenant_id, gen_random_uuid(), upper(name) FROM clients",
        SECOND_MAPPING,
    ],
)
def test_the_schema_refuses_states_that_must_not_be(base: ActionBase, change: str) -> None:
    with pytest.raises(psycopg.IntegrityError):
        base.write(change)


def test_an_api_key_is_stored_as_hash_and_prefix_and_given_once(migrated_dsn: str) -> None:
    base = ActionBase.prepare(migrated_dsn)
    key = base.tenant.admin_api_key
    assert key is not None
    assert key.startswith("ixk_")
    assert key not in repr(base.tenant)
    (row,) = base.rows("SELECT * FROM api_keys")
    assert row["key_prefix"] == key[:8]
    assert key[8:] not in str(row)
    again = ActionBase.prepare(migrated_dsn)
    assert again.tenant.admin_api_key is None
    assert again.tenant.ids == base.tenant.ids


def test_a_statement_over_its_limit_is_a_timeout(base: ActionBase) -> None:
    settings = PostgresSettings.model_validate({"dsn": base.dsn, "statement_timeout_seconds": 0.05})
    pool = open_pool(settings)
    try:
        with pool.connection() as connection:
            with pytest.raises(errors.QueryCanceled) as caught:
                connection.execute("SELECT pg_sleep(5)")
            assert fault_of(caught.value) is PostgresFault.TIMEOUT
            connection.rollback()
    finally:
        pool.close()


def test_a_lost_connection_is_unavailability(base: ActionBase) -> None:
    pool = open_pool(base.settings())
    try:
        with pool.connection() as connection:
            base.rows("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
            with pytest.raises(PostgresUnavailableError), unavailability_translated():
                connection.execute("SELECT 1")
    finally:
        pool.close()


def test_ticket_numbers_are_unique_and_rise_per_tenant(base: ActionBase) -> None:
    base.run(*(base.request() for _ in range(20)))
    numbers = [row["number"] for row in base.rows("SELECT number FROM tickets ORDER BY id")]
    assert len(set(numbers)) == 21
    assert min(numbers) == 1
