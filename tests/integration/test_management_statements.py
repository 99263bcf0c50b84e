"""Every statement of management, run by a tenant that is not the one whose rows it names: it meets none of them.

Every UUID of the rows here is one UUID, every text one word, so that statements can be given values by the type of a
parameter alone, and a new statement is covered without a word about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

from hookline.embedded.postgres import PostgresServer
from infra.migrations import migrate
from infra.queries import load_queries, put_together
from tests.support.stack import new_database

MANAGEMENT = Path(__file__).parents[2] / "management"
#: Of ClickHouse, for all tenants at once: read by the evaluation of alerts alone, which keeps them apart by their ids.
OF_ALL_TENANTS = MANAGEMENT / "alerting" / "observations.sql"
ID, OTHER_ID, WORD = "01890000-0000-7000-8000-000000000001", "01890000-0000-7000-8000-000000000002", "acme"
HASH = "11" * 32
ROWS = """
INSERT INTO tenants (id, slug, name) VALUES ('{id}', '{word}', '{word}'), ('{other}', 'globex', 'globex');
INSERT INTO users (tenant_id, id, email, username, full_name) VALUES ('{id}', '{id}', '{word}', '{word}', '{word}');
INSERT INTO teams (tenant_id, id, name) VALUES ('{id}', '{id}', '{word}');
INSERT INTO roles (tenant_id, id, name, permissions) VALUES ('{id}', '{id}', '{word}', '{{delivery:read}}');
INSERT INTO user_roles (tenant_id, user_id, role_id) VALUES ('{id}', '{id}', '{id}');
INSERT INTO sessions (tenant_id, id, user_id, token_hash, expires_at, last_seen_at)
    VALUES ('{id}', '{id}', '{id}', '\\x{hash}', now() + interval '1 day', now() - interval '30 seconds');
INSERT INTO sign_in_failures (tenant_id, subject, failures, window_started_at)
    VALUES ('{id}', '{word}', 1, '2020-01-01');
INSERT INTO api_keys (tenant_id, id, name, key_prefix, key_hash, permissions, user_id)
    VALUES ('{id}', '{id}', '{word}', 'ixk_abcd', '\\x{hash}', '{{*}}', '{id}');
INSERT INTO api_rate_buckets (tenant_id, bucket, tokens, filled_at) VALUES ('{id}', 'api_key', 1, now());
INSERT INTO webhooks (tenant_id, id, slug, name, is_active, sample_capture_started_at, sample_capture_expires_at)
    VALUES ('{id}', '{id}', '{word}', '{word}', true, '2020-01-01', '2020-01-01');
INSERT INTO webhook_secrets (tenant_id, webhook_id, slot, sealed)
    VALUES ('{id}', '{id}', 'current', 'v1.x'), ('{id}', '{id}', 'previous', 'v1.y');
INSERT INTO webhook_versions (tenant_id, webhook_id, version, change, config, changed_by)
    VALUES ('{id}', '{id}', 1, 'created', '{{}}', '{{}}');
INSERT INTO webhook_tests (tenant_id, webhook_id, test_id, tested_by, dry_run, request, answer)
    VALUES ('{id}', '{id}', '{id}', '{{}}', true, '{{}}', '{{}}');
INSERT INTO configuration_outbox (tenant_id, webhook_id, change_id) VALUES ('{id}', '{id}', '{id}');
INSERT INTO audit_entries (tenant_id, id, actor, action, resource_type, resource_id, request_id)
    VALUES ('{id}', '{id}', '{{"name": "{word}"}}', 'a.b', '{word}', '{word}', '{word}');
INSERT INTO erasures (tenant_id, id, kind, delivery_id, reason, asked_by, asked_at, in_force_until)
    VALUES ('{id}', '{id}', 'body', '{id}', '{word}', '{{}}', '2020-01-01', '2020-01-01');
INSERT INTO delivery_replays (tenant_id, delivery_id, webhook_id, origin_id, replay_id, mode, replayed_by, replayed_at,
    change_kind, change) VALUES ('{id}', '{id}', '{id}', '{id}', '{id}', 'fill', '{{}}', '2020-01-01', 'patch', '[]');
INSERT INTO replay_counts (tenant_id, origin_id, replays, replays_max, last_at)
    VALUES ('{id}', '{id}', 1, 100, '2020-01-01');
INSERT INTO replays (tenant_id, id, state, state_cause, selection, mode, reason, rate_per_second, plan_only, asked_by,
    asked_at, planning_attempts, batches)
    VALUES ('{id}', '{id}', 'paused', 'lag', '{{}}', 'fill', '{word}', 1, false, '{{}}', '2020-01-01', 60, 60);
INSERT INTO replay_ranges (tenant_id, replay_id, number, topic, partition, first_offset, last_offset, next_offset)
    VALUES ('{id}', '{id}', 60, '{word}', 60, 1, 2, 1);
INSERT INTO replay_cursors (tenant_id, replay_id, topic, partition, selected)
    VALUES ('{id}', '{id}', '{word}', 60, 60);
INSERT INTO replay_batches (tenant_id, replay_id, number, topic, partition, passed, last_offset, last_delivery_id,
    end_offset, written_at) VALUES ('{id}', '{id}', 60, '{word}', 60, 1, 1, '{id}', 1, '2020-01-01');
INSERT INTO replay_records (tenant_id, replay_id, batch, position, delivery_id, origin_id, result, new_delivery_id,
    replayed_at_us) VALUES ('{id}', '{id}', 60, 60, '{id}', '{id}', 'noted', '{id}', 1);
INSERT INTO event_types (tenant_id, name, version, schema, created_by) VALUES ('{id}', '{word}', 1, '{{}}', '{{}}');
INSERT INTO alerts (tenant_id, id, rule, subject, webhook_id, severity, message, raised_at)
    VALUES ('{id}', '{id}', '{word}', '{word}', '{id}', 'warning', '{word}', now());
INSERT INTO alert_rules (tenant_id, rule, webhook_id, parameters, updated_by)
    VALUES ('{id}', '{word}', '{id}', '{{}}', '{{}}'), ('{id}', '{word}', NULL, '{{}}', '{{}}');
INSERT INTO clients (tenant_id, id, name) VALUES ('{id}', '{id}', '{word}');
INSERT INTO client_locations (tenant_id, id, client_id, name) VALUES ('{id}', '{id}', '{id}', '{word}');
INSERT INTO contacts (tenant_id, id, client_id, full_name, email) VALUES ('{id}', '{id}', '{id}', '{word}', '{word}');
INSERT INTO assets (tenant_id, id, client_id, name, asset_tag) VALUES ('{id}', '{id}', '{id}', '{word}', '{word}');
INSERT INTO boards (tenant_id, id, name) VALUES ('{id}', '{id}', '{word}');
INSERT INTO ticket_statuses (tenant_id, id, board_id, name, position) VALUES ('{id}', '{id}', '{id}', '{word}', 1);
INSERT INTO ticket_priorities (tenant_id, id, name, level) VALUES ('{id}', '{id}', '{word}', 1);
INSERT INTO ticket_categories (tenant_id, id, parent_id, name)
    VALUES ('{id}', '{id}', NULL, '{word}'), ('{id}', '{other}', '{id}', '{word}');
INSERT INTO services (tenant_id, id, name) VALUES ('{id}', '{id}', '{word}');
INSERT INTO invoices (tenant_id, id, client_id, number, currency) VALUES ('{id}', '{id}', '{id}', '{word}', 'EUR');
INSERT INTO projects (tenant_id, id, client_id, name) VALUES ('{id}', '{id}', '{id}', '{word}');
INSERT INTO project_phases (tenant_id, id, project_id, name, position) VALUES ('{id}', '{id}', '{id}', '{word}', 1);
INSERT INTO project_statuses (tenant_id, id, project_id, name, position) VALUES ('{id}', '{id}', '{id}', '{word}', 1);
INSERT INTO project_tasks (tenant_id, id, project_id, phase_id, status_id, status_scope_id, is_closed, task_name)
    VALUES ('{id}', '{id}', '{id}', '{id}', '{id}', '{id}', false, '{word}');
INSERT INTO non_billable_categories (tenant_id, id, name) VALUES ('{id}', '{id}', '{word}');
INSERT INTO interactions (tenant_id, id, client_id, title) VALUES ('{id}', '{id}', '{id}', '{word}');
INSERT INTO time_periods (tenant_id, id, start_date, end_date) VALUES ('{id}', '{id}', '2020-01-01', '2020-01-31');
INSERT INTO time_sheets (tenant_id, id, user_id, period_id) VALUES ('{id}', '{id}', '{id}', '{id}');
INSERT INTO tickets (tenant_id, id, number, title, client_id, board_id, status_id, is_closed, source, created_at,
    updated_at) VALUES ('{id}', '{id}', 1, '{word}', '{id}', '{id}', '{id}', false, 'api', now(), now());
INSERT INTO ticket_comments (tenant_id, id, ticket_id, content, author_type, user_id, is_internal)
    VALUES ('{id}', '{id}', '{id}', '{word}', 'user', '{id}', true);
INSERT INTO ticket_assets (tenant_id, ticket_id, asset_id) VALUES ('{id}', '{id}', '{id}');
INSERT INTO time_entries (tenant_id, id, user_id, work_item_type, ticket_id, service_id, start_time, end_time,
    duration_minutes, is_billable, billable_minutes, work_date) VALUES ('{id}', '{id}', '{id}', 'ticket', '{id}',
    '{id}', '2020-01-01T12:00Z', '2020-01-01T13:00Z', 60, true, 60, '2020-01-01');
INSERT INTO tags (tenant_id, id, tag_text) VALUES ('{id}', '{id}', '{word}');
INSERT INTO entity_tags (tenant_id, tag_id, entity_type, entity_id) VALUES ('{id}', '{id}', 'ticket', '{id}');
INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id)
    VALUES ('{id}', '{id}', '{id}', '{word}', '{word}', '{id}');
INSERT INTO ledger_entries (tenant_id, number, hour, revision, entered_at, counts, previous_hash, hash)
    VALUES ('{id}', 60, '2020-01-01', 60, '2020-01-01', '{{}}', '{hash}', '{hash}');
INSERT INTO dead_letters (tenant_id, topic, partition, record_offset, incarnation, letter_id, webhook_id, delivery_id,
    stage, code, failed_at, record_bytes) VALUES ('{id}', '{word}', 60, 60, '{word}', '{id}', '{id}', '{id}', '{word}',
    '{word}', '2020-01-01', 60);
INSERT INTO ledger_differences (tenant_id, id, hour, kind, topic, partition, first_offset, last_offset, count, detail)
    VALUES ('{id}', '{other}', '2020-01-01', 'loss', '{word}', 60, 60, 60, 60, '{word}');
"""
_PARAMETER = re.compile(r"%\(([a-z0-9_]+)\)s")
_TABLES = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+([a-z_]+)", re.IGNORECASE)
#: By the name of a parameter, before its type: filters that are left out, and bounds.
_BY_NAME: dict[str, str | None] = {
    **{"limit": "100", "offset": "0", "since": None, "until": None, "token_hash_hex": HASH},
    **dict.fromkeys(("records", "ranges"), "[]"),
    "unpublished": f'[{{"new_delivery_id": "{ID}", "result": "lost"}}]',
}
_BY_TYPE: dict[str, str] = {
    "uuid": ID,
    "_uuid": f"{{{ID}}}",
    "text": WORD,
    "_text": "{delivery:read}",
    **dict.fromkeys(("_int4", "_int8"), "{60}"),
    "bool": "true",
    "bytea": f"\\x{HASH}",
    "json": "{}",
    "jsonb": "{}",
    "timestamptz": "2020-01-01",
    "_timestamptz": "{2020-01-01}",
    "date": "2020-01-01",
    **dict.fromkeys(("_int2", "_int4", "_int8"), "{60}"),
    **dict.fromkeys(("int2", "int4", "int8", "float8", "numeric"), "60"),
}
_PART = re.compile(r"/\*([a-z_]+)\*/")
#: What a statement begins with, behind its comments; what does not is a part of others.
_BEGINS = re.compile(r"(?:--.*\n)*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b")
_OPTIONAL = re.compile(r"%\(([a-z0-9_]+)\)s(?:::[a-z]+)? IS NULL")


def statements() -> Iterator[tuple[str, str]]:
    """Of Postgres, by `folder.name`, with their parts; those of ClickHouse mark their parameters otherwise."""
    for path in sorted(set(MANAGEMENT.rglob("*.sql")) - {OF_ALL_TENANTS}):
        queries = load_queries(path)
        given = set(_PART.findall("".join(queries.values()))) - queries.keys()
        for name in queries:
            statement = put_together(queries, name, **dict.fromkeys(given, ""))
            if "{tenant_id:UUID}" not in statement:
                yield f"{path.parent.relative_to(MANAGEMENT)}/{name}", statement


STATEMENTS = dict(statements())


@pytest.fixture(scope="module")
def dsn(postgres: PostgresServer) -> Iterator[str]:
    with new_database(postgres.dsn) as database:
        migrate(database)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(ROWS.format(id=ID, other=OTHER_ID, word=WORD, hash=HASH).encode())
        yield database


def touched(dsn: str, tenant_id: str, statement: str) -> bool:
    """Whether the statement, for the first tenant's values, meets rows while `tenant_id` is set; all is rolled back."""
    optional = set(_OPTIONAL.findall(statement))
    with psycopg.connect(dsn, cursor_factory=psycopg.RawCursor) as connection:
        connection.execute(b"SET ROLE hookline_service")
        connection.execute(b"SELECT set_config('hookline.tenant_id', $1, false)", (tenant_id,))
        connection.commit()
        numbered, kinds = prepared(connection, statement)
        values = [
            None if name in optional else _BY_NAME.get(name, _BY_TYPE.get(kind, WORD)) for name, kind in kinds.items()
        ]
        try:
            return _meets(connection.execute(numbered.encode(), values))
        except errors.InsufficientPrivilege:
            return False
        except psycopg.IntegrityError:  # it got as far as a constraint of the row
            return True
        finally:
            connection.rollback()


def prepared(connection: psycopg.Connection[Any], statement: str) -> tuple[str, dict[str, str]]:
    """The statement with numbered parameters, and the type of each as the server takes it, or as its name says."""
    names = list(dict.fromkeys(_PARAMETER.findall(statement)))
    for casts in ({}, {name: _cast_of(name) for name in names}):

        def marked(match: re.Match[str], casts: Mapping[str, str] = casts) -> str:
            return f"${names.index(match[1]) + 1}{casts.get(match[1], '')}"

        numbered = _PARAMETER.sub(marked, statement).replace("%%", "%")
        failure = connection.pgconn.prepare(b"", numbered.encode()).error_message
        if not failure:
            described = connection.pgconn.describe_prepared(b"")
            return numbered, {name: _kind(connection, described.param_type(n)) for n, name in enumerate(names)}
        connection.rollback()
    raise AssertionError(failure.decode())


def _cast_of(name: str) -> str:
    if name == "id" or name.endswith("_id"):
        return "::uuid"
    return "::float8" if name.endswith("seconds") else ""


def _kind(connection: psycopg.Connection[Any], oid: int) -> str:
    found = connection.adapters.types[oid]
    return f"_{found.name}" if oid == found.array_oid else found.name


def _meets(cursor: psycopg.Cursor[Any]) -> bool:
    """Counts and sums of nothing are nothing, too."""
    if cursor.description is None:
        return cursor.rowcount > 0
    return any(value for row in cursor.fetchall() for value in row)


def reads_tables(statement: str) -> bool:
    """Parts do not: they are read in the statements that they are parts of."""
    return bool(_BEGINS.match(statement)) and any(name not in {"unnest", "set"} for name in _TABLES.findall(statement))


MEETING = {name: statement for name, statement in STATEMENTS.items() if reads_tables(statement)}


@pytest.mark.parametrize("name", sorted(MEETING))
def test_a_statement_meets_no_row_of_another_tenant(dsn: str, name: str) -> None:
    assert not touched(dsn, OTHER_ID, MEETING[name])


def test_most_statements_do_meet_rows_of_their_own_tenant(dsn: str) -> None:
    """Else the test above would say nothing. The others look for what these rows have not got."""
    changing = {name: one for name, one in MEETING.items() if not one.lstrip().upper().startswith("INSERT")}
    without = {name for name, statement in changing.items() if not touched(dsn, ID, statement)}
    assert len(without) <= len(changing) // 5, without


def test_every_statement_of_clickhouse_is_for_one_tenant() -> None:
    found = 0
    for path in sorted(set(MANAGEMENT.rglob("*.sql")) - {OF_ALL_TENANTS}):
        for name, statement in load_queries(path).items():
            if f"{path.parent.relative_to(MANAGEMENT)}/{name}" not in STATEMENTS:
                reads = len(re.findall(r"\b(?:FROM|ALTER TABLE)\s+(?:[a-z_]+|\{[a-z]+:Identifier\})", statement))
                assert statement.count("tenant_id = {tenant_id:UUID}") == reads, name
                found += 1
    assert found > 0


def test_statements_for_all_tenants_at_once_say_whose_each_row_is() -> None:
    for name, statement in load_queries(OF_ALL_TENANTS).items():
        by = "GROUP BY topic" if name == "read_undecodable" else "GROUP BY tenant_id, webhook_id"
        assert by in statement, name
