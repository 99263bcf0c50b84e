"""Request records as the ingress writes them, about 450 bytes of body each, for benchmarks behind the ingress."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from infra.clock import now_us
from infra.ids import uuid7_text
from infra.kafka import PolledProducer
from infra.secretbox import SecretBox
from infra.webhooks import seal_webhook_secret
from schemas import headers as record_headers
from schemas.headers import DeliveryHeaders
from schemas.keys import request_key
from schemas.records import RequestFacts
from schemas.webhooks import ActionHandler, HmacAuth, IdempotencySource, WebhookConfig
from tests.support.configuration import publish_webhook

TENANT_ID = "01990000-0000-7000-8000-000000000001"
WEBHOOK_ID = "01990000-0000-7000-8000-000000000002"
MASTER_KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
REPEATS_EVERY = 10
_FACTS = RequestFacts(
    method="POST",
    path="/api/inbound/bench/alerts",
    headers={"content-type": "application/json", "user-agent": "rmm/7.1", "x-request-id": "0f3c"},
    source_ip="203.0.113.7",
    user_agent="rmm/7.1",
    content_type="application/json",
    ingress_us=180,
).model_dump_json()


def publish(producer: PolledProducer) -> None:
    """Put the benchmark's webhook in force: five mapped fields, dedupe on `alert.id`."""
    box = SecretBox([base64.urlsafe_b64decode(MASTER_KEY)])
    sealed = seal_webhook_secret(box, "a secret of the benchmark", tenant_id=TENANT_ID, webhook_id=WEBHOOK_ID)
    mapping = {
        "title": "alert.message",
        "description": '"Host " & device.hostname & " reports " & alert.category',
        "priority_id": '$lookup({"critical": "Critical", "warning": "High"}, alert.severity)',
        "external_id": "alert.id",
        "client_id": "organization.name",
    }
    publish_webhook(
        producer,
        WebhookConfig(
            tenant_id=TENANT_ID,
            tenant_slug="bench",
            webhook_id=WEBHOOK_ID,
            slug="alerts",
            name="Alerts",
            version=1,
            auth_config=HmacAuth(secrets=(sealed,)),
            idempotency_source=IdempotencySource(type="jsonata", value="alert.id"),
            handler_config=ActionHandler(action="createTicket", field_mapping=mapping),
        ),
    )


def requests(count: int) -> Iterator[dict[str, Any]]:
    """`count` records; every tenth repeats the key of the one before it."""
    for number in range(count):
        alert = number - 1 if number % REPEATS_EVERY == REPEATS_EVERY - 1 else number
        at_us = now_us()
        delivery_id = uuid7_text(at_us)
        headers = DeliveryHeaders(
            delivery_id,
            TENANT_ID,
            WEBHOOK_ID,
            1,
            at_us,
            _FACTS.encode(),
            f"alert-{alert}",
            f"00-{delivery_id.replace('-', '')}-00f067aa0ba902b7-01",
        )
        yield {
            "key": request_key(TENANT_ID, WEBHOOK_ID, f"alert-{alert}"),
            "value": _body(alert),
            "headers": record_headers.encode(headers),
            "timestamp": at_us // 1_000,
        }


def _body(alert: int) -> bytes:
    return json.dumps(
        {
            "alert": {
                "id": f"alert-{alert}",
                "severity": "critical",
                "message": "Disk C: is 97% full on ACME-DC01",
                "category": "disk",
                "tags": ["storage", "server"],
            },
            "device": {"id": 991, "hostname": "ACME-DC01", "os": {"name": "Windows Server 2022", "build": 20348}},
            "organization": {"id": "o-77", "name": "Acme Ltd"},
            "note": "x" * 150,
        }
    ).encode()
