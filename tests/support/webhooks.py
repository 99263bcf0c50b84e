"""Inbound webhooks as a caller of the management API makes them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from management.configuration.records import read_records
from schemas.webhooks import WebhookConfig
from tests.support.management import ManagementBase

WEBHOOKS = "/inbound-webhooks"
MAPPING = "handler_config.field_mapping"
Json = dict[str, Any]


def webhook_body(slug: str, /, **members: Any) -> Json:
    """The least that makes a webhook, with `members` over it."""
    return {
        "name": slug.replace("-", " ").title(),
        "slug": slug,
        "auth_type": "hmac_sha256",
        "auth_config": {"signature_header": "X-Signature"},
        "handler_type": "direct_action",
        "handler_config": {
            "action": "createTicket",
            "field_mapping": {"title": "alert.title", "client_id": "alert.client"},
        },
        **members,
    }


def create_webhook(base: ManagementBase, slug: str, **members: Any) -> Json:
    """The answer to its creation, which has to succeed."""
    answer = base.call("POST", WEBHOOKS, json=webhook_body(slug, **members))
    assert answer.status_code == 201, answer.text
    created: Json = answer.json()
    return created


def get_webhook(base: ManagementBase, webhook_id: str) -> Json:
    """As it is shown now."""
    answer = base.call("GET", f"{WEBHOOKS}/{webhook_id}")
    assert answer.status_code == 200, answer.text
    shown: Json = answer.json()
    return shown


def problems_of(answer: Any) -> dict[str, str]:
    """Messages by path of a 400."""
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["code"] == "validation_error"
    return {detail["path"]: detail["message"] for detail in error["details"]}


def add_ticket_entities(base: ManagementBase, tenant_id: UUID) -> None:
    """Clients Acme Ltd (active) and Gone Ltd (not), priorities High and Critical, two boards with a status New each."""
    base.write(
        "INSERT INTO clients (tenant_id, id, name, is_inactive) VALUES (%s, %s, 'Acme Ltd', false), "
        "(%s, %s, 'Gone Ltd', true)",
        (tenant_id, uuid4(), tenant_id, uuid4()),
    )
    for name, level in (("High", 1), ("Critical", 2)):
        base.write(
            "INSERT INTO ticket_priorities (tenant_id, id, name, level) VALUES (%s, %s, %s, %s)",
            (tenant_id, uuid4(), name, level),
        )
    for name in ("Service Desk", "Projects"):
        board_id = uuid4()
        base.write("INSERT INTO boards (tenant_id, id, name) VALUES (%s, %s, %s)", (tenant_id, board_id, name))
        base.write(
            "INSERT INTO ticket_statuses (tenant_id, id, board_id, name, position) VALUES (%s, %s, %s, 'New', 1)",
            (tenant_id, uuid4(), board_id),
        )


def record_of(base: ManagementBase, webhook_id: str) -> WebhookConfig | None:
    """What would be published of it."""
    key = (base.tenant.id, UUID(webhook_id))
    with psycopg.connect(base.dsn, row_factory=dict_row) as connection:
        return read_records(connection, [key]).get(key)


def actions_of(base: ManagementBase, webhook_id: str) -> list[str]:
    """Audit entries of a webhook, in order."""
    rows = base.rows("SELECT action FROM audit_entries WHERE resource_id = %s ORDER BY occurred_at, id", (webhook_id,))
    return [row["action"] for row in rows]


def refused_webhook(base: ManagementBase, **members: Any) -> dict[str, str]:
    """Problems of a creation."""
    return problems_of(base.call("POST", WEBHOOKS, json=webhook_body(f"refused-{uuid4().hex}", **members)))


def ticket_handler(**mapping: str) -> Json:
    """A handler that makes a ticket."""
    return {
        "action": "createTicket",
        "field_mapping": {"title": "alert.title", "client_id": "alert.client", **mapping},
    }
