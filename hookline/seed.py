"""The demo tenant: rows that a first ticket needs, with the same ids on every machine, and no fixed password."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from infra.api_keys import hash_api_key, new_api_key, shown_part
from infra.postgres import unavailability_translated
from infra.queries import load_queries
from management.configuration.records import enqueue_change
from management.inbound_webhooks.repository import load_webhook
from schemas.webhooks import WebhookConfig

_QUERIES = load_queries(Path(__file__).parent / "seed.sql")
_NAMESPACE = UUID("0d6c3f0e-8c55-5e0b-9a35-4f1c0b1f6d11")
_ORDER = (
    "insert_roles",
    "insert_people",
    "give_roles",
    "insert_team",
    "insert_priorities",
    "insert_board",
    "insert_statuses",
    "insert_category",
    "insert_client",
    "insert_location",
    "insert_contact",
    "insert_asset",
    "insert_service",
    "insert_non_billable_category",
    "insert_invoice",
    "insert_project",
    "insert_phases",
    "insert_project_statuses",
    "insert_period",
    "insert_api_key",
    "insert_webhook",
)
_ROWS = (
    *("admin", "technician", "team", "low", "medium", "high", "critical", "board", "new", "in_progress", "waiting"),
    *(
        "resolved",
        "closed",
        "category",
        "subcategory",
        "client",
        "location",
        "contact",
        "asset",
        "api_key",
        "admin_role",
    ),
    *("service", "non_billable_category", "invoice", "project", "planning", "rollout"),
    *("to_do", "doing", "done", "period"),
)
#: Of the demo tenant. A row of it without a configuration is given one by `hookline.demo_webhook`.
DEMO_WEBHOOK_ID = UUID("7c0f3b52-2b5c-5d0e-9a5b-52d0a6a2f6c1")
_HOOKLINE = {"type": "system", "id": None, "name": "hookline"}

DEMO_SLUG = "demo"
DEMO_ADMIN_EMAIL = "admin@demo.example"
DEMO_TENANT_ID = uuid5(_NAMESPACE, "tenant")


@dataclass(frozen=True, slots=True)
class SeededTenant:
    """`ids` by row name (`client`, `board`, `new`, …). `admin_api_key` is the plain key, only when it was just made."""

    tenant_id: UUID
    slug: str
    ids: Mapping[str, UUID]
    admin_api_key: str | None = field(repr=False)


def seed_demo(dsn: str) -> SeededTenant:
    """Make the tenant `demo` unless it is there; `dsn` is the owner's, who is above row-level security.

    Raises PostgresUnavailableError. Two processes at once: one makes it, the other finds it.
    """
    ids = {name: uuid5(_NAMESPACE, name) for name in _ROWS}
    key = new_api_key()
    parameters = ids | {
        "tenant_id": DEMO_TENANT_ID,
        "webhook": DEMO_WEBHOOK_ID,
        "admin_email": DEMO_ADMIN_EMAIL,
        "key_prefix": shown_part(key),
        "key_hash": hash_api_key(key),
    }
    with unavailability_translated(), psycopg.connect(dsn) as connection:
        made = connection.execute(_QUERIES["insert_tenant"].encode(), parameters).rowcount == 1
        for name in _ORDER if made else ():
            connection.execute(_QUERIES[name].encode(), parameters)
    return SeededTenant(DEMO_TENANT_ID, DEMO_SLUG, ids, key if made else None)


def is_configured(dsn: str) -> bool | None:
    """Whether the demo webhook is configured; None when it was deleted.

    A row and nothing more is a new webhook, or one of a release that kept the rest elsewhere.
    """
    parameters = {"tenant_id": DEMO_TENANT_ID, "webhook_id": DEMO_WEBHOOK_ID}
    with unavailability_translated(), psycopg.connect(dsn) as connection:
        row = connection.execute(_QUERIES["find_configuration"].encode(), parameters).fetchone()
    return None if row is None else bool(row[0])


def register_webhook(dsn: str, config: WebhookConfig) -> None:
    """Write the webhook as it is published: settings, sealed secrets, its version, and that it is to be published.

    What is there already is replaced; `dsn` is the owner's. Raises PostgresUnavailableError.
    """
    ids = {"tenant_id": UUID(config.tenant_id), "webhook_id": UUID(config.webhook_id)}
    with unavailability_translated(), psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.execute(_QUERIES["write_webhook"].encode(), ids | _columns(config))
        for slot, secret in zip(("current", "previous"), config.auth_config.secrets, strict=False):
            connection.execute(_QUERIES["write_secret"].encode(), ids | secret.model_dump() | {"slot": slot})
        shown = load_webhook(connection, ids["tenant_id"], ids["webhook_id"]).settings.as_json()
        version = {"version": config.version, "config": Jsonb(shown), "changed_by": Jsonb(_HOOKLINE)}
        connection.execute(_QUERIES["write_version"].encode(), ids | version)
        enqueue_change(connection, ids["tenant_id"], ids["webhook_id"])


def _columns(config: WebhookConfig) -> dict[str, Any]:
    columns = config.model_dump(mode="json", exclude={"tenant_id", "tenant_slug", "webhook_id"})
    columns["auth_config"] = {n: v for n, v in columns["auth_config"].items() if n not in ("type", "secrets")}
    columns["handler_config"] = {n: v for n, v in columns["handler_config"].items() if n != "type"}
    return {name: Jsonb(value) if isinstance(value, dict) else value for name, value in columns.items()}
