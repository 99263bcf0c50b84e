"""Request records as the ingress writes them, for tests that begin at the raw topic."""

import base64
import json
from typing import Any, NamedTuple

from infra.clock import now_us
from infra.ids import uuid7_text
from infra.kafka import PolledProducer
from infra.secretbox import SecretBox
from infra.webhooks import seal_webhook_secret
from schemas import headers as record_headers
from schemas.headers import DeliveryHeaders
from schemas.keys import request_key
from schemas.webhooks import ActionHandler, HmacAuth, IdempotencySource, WebhookConfig
from tests.support.configuration import publish_webhook

TENANT_ID = "01980000-0000-7000-8000-000000000001"
WEBHOOK_ID = "01980000-0000-7000-8000-000000000002"
MASTER_KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
SECRET = "a-secret-of-thirty-two-characters"
_FACTS = json.dumps(
    {
        "method": "POST",
        "path": "/api/inbound/demo/rmm-alerts",
        "query": {},
        "headers": {"content-type": "application/json"},
        "source_ip": "127.0.0.1",
        "user_agent": "test",
        "content_type": "application/json",
        "ingress_us": 100,
    },
    separators=(",", ":"),
).encode()


class Request(NamedTuple):
    """One request record, ready to be produced, and what a test must remember of it."""

    delivery_id: str
    dedupe_key: str
    message: dict[str, Any]


def webhook_config(**changes: Any) -> WebhookConfig:
    """A webhook that makes a ticket of every alert, deduplicated on `alert.id`."""
    box = SecretBox([base64.urlsafe_b64decode(MASTER_KEY)])
    sealed = seal_webhook_secret(box, SECRET, tenant_id=TENANT_ID, webhook_id=WEBHOOK_ID)
    values: dict[str, Any] = {
        "tenant_id": TENANT_ID,
        "tenant_slug": "demo",
        "webhook_id": WEBHOOK_ID,
        "slug": "rmm-alerts",
        "name": "RMM alerts",
        "version": 1,
        "auth_config": HmacAuth(secrets=(sealed,)),
        "idempotency_source": IdempotencySource(type="jsonata", value="alert.id"),
        "handler_config": ActionHandler(
            action="createTicket",
            field_mapping={
                "title": "alert.message",
                "description": '"Host " & device.hostname & " reports " & alert.category',
                "priority_id": '$lookup({"critical": "Critical", "warning": "High"}, alert.severity)',
                "external_id": "alert.id",
                "client_id": "organization.name",
            },
        ),
    }
    return WebhookConfig(**(values | changes))


def publish(producer: PolledProducer, **changes: Any) -> WebhookConfig:
    """Put a webhook like `webhook_config` in force."""
    config = webhook_config(**changes)
    publish_webhook(producer, config)
    return config


def alert_body(alert_id: str) -> bytes:
    """About 450 bytes, as an RMM sends them."""
    return json.dumps(
        {
            "alert": {
                "id": alert_id,
                "severity": "critical",
                "message": "Disk C: is 97% full on ACME-DC01",
                "category": "disk",
                "tags": ["storage", "server"],
            },
            "device": {
                "id": 991,
                "hostname": "ACME-DC01",
                "os": {"name": "Windows Server 2022", "version": "10.0.20348"},
            },
            "organization": {"id": "o-77", "name": "Acme Ltd"},
            "note": "x" * 150,
        }
    ).encode()


def alert_request(
    alert_id: str, *, body: bytes | None = None, received_at_us: int | None = None, is_test: bool = False
) -> Request:
    """A verified request for `alert_id` received now."""
    at_us = now_us() if received_at_us is None else received_at_us
    delivery_id = uuid7_text(at_us)
    headers = DeliveryHeaders(
        delivery_id,
        TENANT_ID,
        WEBHOOK_ID,
        1,
        at_us,
        _FACTS,
        alert_id,
        f"00-{delivery_id.replace('-', '')}-00f067aa0ba902b7-01",
        is_test=is_test,
    )
    message = {
        "key": request_key(TENANT_ID, WEBHOOK_ID, alert_id),
        "value": alert_body(alert_id) if body is None else body,
        "headers": record_headers.encode(headers),
        "timestamp": at_us // 1_000,
    }
    return Request(delivery_id, alert_id, message)
