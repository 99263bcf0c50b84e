"""A database with the demo tenant, commands to run on it, and a role to run them: for tests and the bench.

As a program (`python -m tests.support.actions SETTINGS_JSON`) it runs the action role until it is killed.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest
from psycopg.rows import dict_row

from hookline.embedded.postgres import PostgresServer
from hookline.seed import SeededTenant, register_webhook, seed_demo
from infra.actions.registry import ENTRY_POINT_GROUP, ActionRegistry, load_actions
from infra.clock import now_us
from infra.ids import uuid7_text
from infra.migrations import migrate
from infra.postgres import open_pool
from infra.settings import PostgresSettings, Settings
from schemas.webhooks import ActionHandler, HmacAuth, SealedSecret, WebhookConfig
from sinks.actions.command import parse_command
from sinks.actions.execution import Outcome, execute_batch
from sinks.actions.role import ActionsRole
from tests.support.events import check_events
from tests.support.stack import new_database

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACE_HEADERS = [("traceparent", f"00-{TRACE_ID}-b7ad6b7169203331-01".encode())]
ATTEMPTS_MAX = 3
BUILTIN_PACKAGES = ("assets", "clients", "contacts", "invoices", "projects", "tags", "tickets", "time_entries")


def builtin_registry(*others: EntryPoint) -> ActionRegistry:
    """The built-in actions, whether or not the project is installed, and those of other packages."""
    own = [EntryPoint(name, f"sinks.actions.{name}:ACTIONS", ENTRY_POINT_GROUP) for name in BUILTIN_PACKAGES]
    return load_actions([*own, *others])


def webhook_config(tenant_id: UUID | str, webhook_id: UUID | str, slug: str) -> WebhookConfig:
    """A webhook's configuration for `register_webhook`."""
    return WebhookConfig(
        tenant_id=str(tenant_id),
        tenant_slug="demo",
        webhook_id=str(webhook_id),
        slug=slug,
        name=slug,
        version=1,
        auth_config=HmacAuth(secrets=(SealedSecret(sealed="v1.none.none"),)),
        handler_config=ActionHandler(action="createTicket", field_mapping={}),
    )


@dataclass(slots=True)
class ActionBase:
    """One migrated database with the demo tenant and one webhook."""

    dsn: str
    tenant: SeededTenant
    webhook_id: UUID = field(default_factory=uuid4)
    _checked_position: int = 0

    @classmethod
    def prepare(cls, dsn: str) -> ActionBase:
        """Migrate, seed, register the webhook."""
        migrate(dsn)
        base = cls(dsn, seed_demo(dsn))
        base.register(base.webhook_id)
        return base

    def register(self, webhook_id: UUID) -> None:
        """Add a webhook of the tenant."""
        register_webhook(self.dsn, webhook_config(self.tenant.tenant_id, webhook_id, f"hook-{webhook_id.hex[:8]}"))

    def request(self, fields: Mapping[str, Any] | None = None, **members: Any) -> dict[str, Any]:
        """A createTicket request; `fields` on top of a title and the client, a field given as ... is left out."""
        at_us = now_us()
        merged = {"title": "Disk full on srv-01", "client_id": "Acme Ltd"} | dict(fields or {})
        request = {
            "delivery_id": uuid7_text(at_us),
            "tenant_id": str(self.tenant.tenant_id),
            "webhook_id": str(self.webhook_id),
            "webhook_slug": "rmm-alerts",
            "config_version": 1,
            "received_at": at_us,
            "action": "createTicket",
            "fields": {name: value for name, value in merged.items() if value is not ...},
            "options": {},
            "origin": {"topic": "webhooks.request.received.v1", "partition": 0, "offset": 0, "incarnation": "i"},
            "release_key": "00" * 16,
        }
        return request | members

    def run(
        self, *requests: Mapping[str, Any], registry: ActionRegistry | None = None, at_us: int | None = None
    ) -> list[Outcome]:
        """Run the requests as one batch on a connection of their own; the events they leave keep to their schemas."""
        known = builtin_registry() if registry is None else registry
        commands = [parse_command(orjson.dumps(request), TRACE_HEADERS, known) for request in requests]
        pool = open_pool(self.settings(), generic_plans=True)
        try:
            with pool.connection() as connection:
                outcomes = execute_batch(connection, commands, now_us=at_us or now_us(), attempts_max=ATTEMPTS_MAX)
        finally:
            pool.close()
        left = self.rows("SELECT position, payload FROM outbox WHERE position > %s", [self._checked_position])
        check_events((row["payload"] for row in left), others_too=registry is not None)
        self._checked_position = max((row["position"] for row in left), default=self._checked_position)
        return outcomes

    def settings(self) -> PostgresSettings:
        """Settings of a pool on this database."""
        return PostgresSettings.model_validate({"dsn": self.dsn})

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Rows as the owner sees them, above row-level security."""
        with psycopg.connect(self.dsn, row_factory=dict_row) as connection:
            return connection.execute(sql.encode(), parameters).fetchall()

    def write(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Change something as the owner."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute(sql.encode(), parameters)

    def count(self, table: str) -> int:
        """How many rows a table has."""
        counted: int = self.rows(f"SELECT count(*) AS count FROM {table}")[0]["count"]  # noqa: S608  # a test's constant
        return counted


@pytest.fixture(scope="module")
def action_base(postgres: PostgresServer, migrated_template: str) -> Iterator[ActionBase]:
    """One base for the tests of a file, which use external ids and names of their own; its outbox may hold others'."""
    with new_database(postgres.dsn, template=migrated_template) as dsn:
        yield ActionBase.prepare(dsn)


def ticket_of(base: ActionBase, outcome: Outcome) -> dict[str, Any]:
    """The ticket of a command that succeeded."""
    assert outcome.status == "dispatched", outcome.body
    (row,) = base.rows("SELECT * FROM tickets WHERE id = %s", [outcome.body["entity_id"]])
    return row


def request_of(base: ActionBase, action: str, fields: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    """A request of an action with exactly these fields; one given as ... is left out."""
    return base.request({"title": ..., "client_id": ...} | dict(fields), action=action, **members)


def row_of(base: ActionBase, table: str, outcome: Outcome) -> dict[str, Any]:
    """The row of a command that succeeded."""
    assert outcome.status == "dispatched", outcome.body
    (row,) = base.rows(f"SELECT * FROM {table} WHERE id = %s", [outcome.body["entity_id"]])  # noqa: S608
    return row


def take_events(base: ActionBase) -> list[dict[str, Any]]:
    """Every domain event in the outbox, in order; they are taken out."""
    payloads = [row["payload"] for row in base.rows("SELECT payload FROM outbox ORDER BY position")]
    base.write("DELETE FROM outbox")
    return payloads


def add_tenant(base: ActionBase, slug: str = "other") -> UUID:
    """Another tenant, for rows that the demo tenant must not see."""
    tenant_id = uuid4()
    base.write("INSERT INTO tenants (id, slug, name) VALUES (%s, %s, %s)", [tenant_id, slug, slug])
    return tenant_id


def refusal_of(outcome: Outcome) -> tuple[str, str | None]:
    """Code and path of a command that failed."""
    assert outcome.status == "failed", outcome.body
    return outcome.body["code"], outcome.body["path"]


def add(base: ActionBase, table: str, **columns: Any) -> UUID:
    """Insert a row of the demo tenant, or of the one given; returns its id."""
    columns = {"tenant_id": base.tenant.tenant_id, "id": uuid4()} | columns
    marks = ", ".join(["%s"] * len(columns))
    base.write(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", list(columns.values()))  # noqa: S608
    row_id = columns["id"]
    assert isinstance(row_id, UUID)
    return row_id


def add_mapping(base: ActionBase, entity_type: str, external_id: str, entity_id: UUID, realm_id: str = "") -> None:
    """Map an external id of the webhook to an entity of the demo tenant."""
    base.write(
        "INSERT INTO external_entity_mappings "
        "(tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id, realm_id) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [base.tenant.tenant_id, uuid4(), base.webhook_id, entity_type, external_id, entity_id, realm_id],
    )


def main() -> None:
    """Run the role until the process is ended."""
    role = ActionsRole(Settings.model_validate_json(sys.argv[1]), builtin_registry())
    role.start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
