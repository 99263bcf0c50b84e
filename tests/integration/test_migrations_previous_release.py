"""A database of the release before this one, with rows in it: nothing is lost, and what is there can be worked on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from hookline.seed import SeededTenant
from infra.migrations import MIGRATIONS_FOLDER, migrate
from tests.support.actions import ActionBase, request_of

#: The last file of the release before.
LAST = "0012_add_enrichment_redaction_handshakes.sql"
ID = UUID("01890000-0000-7000-8000-000000000001")
ROWS = """
INSERT INTO tenants (id, slug, name) VALUES ('{id}', 'acme', 'Acme');
INSERT INTO users (tenant_id, id, email, username) VALUES ('{id}', '{id}', 'ada@acme.example', 'ada');
INSERT INTO teams (tenant_id, id, name) VALUES ('{id}', '{id}', 'Desk');
INSERT INTO clients (tenant_id, id, name, properties) VALUES ('{id}', '{id}', 'Globex', '{{"tier": 1}}');
INSERT INTO client_locations (tenant_id, id, client_id, name) VALUES ('{id}', '{id}', '{id}', 'Head office');
INSERT INTO contacts (tenant_id, id, client_id, full_name, email)
    VALUES ('{id}', '{id}', '{id}', 'Carla', 'carla@globex.example');
INSERT INTO assets (tenant_id, id, client_id, name) VALUES ('{id}', '{id}', '{id}', 'srv-01');
INSERT INTO ticket_priorities (tenant_id, id, name, level, is_default) VALUES ('{id}', '{id}', 'Medium', 2, true);
INSERT INTO boards (tenant_id, id, name, is_default) VALUES ('{id}', '{id}', 'Desk', true);
INSERT INTO ticket_statuses (tenant_id, id, board_id, name, position, is_default)
    VALUES ('{id}', '{id}', '{id}', 'New', 1, true);
INSERT INTO ticket_categories (tenant_id, id, name) VALUES ('{id}', '{id}', 'Hardware');
INSERT INTO webhooks (tenant_id, id, slug, name) VALUES ('{id}', '{id}', 'alerts', 'Alerts');
INSERT INTO tickets (tenant_id, id, number, title, client_id, board_id, status_id, is_closed, source, created_at,
    updated_at) VALUES ('{id}', '{id}', 1, 'Old', '{id}', '{id}', '{id}', false, 'api', now(), now());
INSERT INTO ticket_assets (tenant_id, ticket_id, asset_id) VALUES ('{id}', '{id}', '{id}');
INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id)
    VALUES ('{id}', '{id}', '{id}', 'ticket', 'A-1', '{id}');
INSERT INTO applied_commands (tenant_id, command_id, delivery_id, action, status, outcome, applied_at)
    VALUES ('{id}', '{id}', '{id}', 'createTicket', 'dispatched', '{{}}', now());
INSERT INTO outbox (tenant_id, event_id, event_type, entity_type, entity_id, occurred_at, payload)
    VALUES ('{id}', '{id}', 'ticket.created', 'ticket', '{id}', now(), '{{"type": "ticket.created"}}');
"""
TABLES = (
    *("tenants", "users", "teams", "clients", "client_locations", "contacts", "assets", "ticket_priorities", "boards"),
    *("ticket_statuses", "ticket_categories", "webhooks", "tickets", "ticket_assets", "external_entity_mappings"),
    *("applied_commands", "outbox"),
)


@pytest.fixture
def earlier(database_dsn: str, tmp_path: Path) -> str:
    """A database as the release before left it."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS_FOLDER, folder)
    for file in folder.glob("*.sql"):
        if file.name > LAST:
            file.unlink()
    assert migrate(database_dsn, folder)[-1] == LAST
    with psycopg.connect(database_dsn) as connection:
        connection.execute(ROWS.format(id=ID).encode())
    return database_dsn


def rows_of(dsn: str) -> dict[str, list[dict[str, Any]]]:
    with psycopg.connect(dsn) as connection:
        return {
            table: [row for (row,) in connection.execute(f"SELECT to_jsonb(t) FROM {table} t".encode())]  # noqa: S608
            for table in TABLES
        }


def test_every_row_is_kept_and_an_action_goes_on_with_it(earlier: str) -> None:
    before = rows_of(earlier)
    assert migrate(earlier)
    after = rows_of(earlier)
    for table, rows in before.items():
        for old, new in zip(rows, after[table], strict=True):
            assert {name: new.get(name) for name in old if name != "published_at"} == {
                name: value for name, value in old.items() if name != "published_at"
            }, table
    base = ActionBase(earlier, SeededTenant(ID, "acme", {}, None), ID)
    base.write("DELETE FROM outbox")  # published, and no event of this release
    changed = request_of(base, "updateTicketByExternalId", {"external_id": "A-1", "title": "New"})
    tagged = request_of(
        base, "addTagToEntityByExternalId", {"entity_type": "ticket", "external_id": "A-1", "tag_text": "old"}
    )
    outcomes = base.run(changed, tagged)
    assert [outcome.status for outcome in outcomes] == ["dispatched", "dispatched"], outcomes
    assert rows_of(earlier)["tickets"][0]["title"] == "New"


def test_what_an_old_entity_was_mapped_to_goes_with_it(earlier: str) -> None:
    migrate(earlier)
    with psycopg.connect(earlier) as connection:
        connection.execute("DELETE FROM tickets WHERE id = %s", (ID,))
        assert connection.execute("SELECT FROM external_entity_mappings").fetchall() == []
