"""As many webhooks as an installation may have, as records of the configuration topic: for tests and the bench."""

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from infra.kafka import Outbox
from infra.secretbox import SecretBox
from infra.topics import CONFIGURATION
from infra.webhooks import seal_webhook_secret, webhook_key
from schemas.webhooks import ActionHandler, HmacAuth, IdempotencySource, SealedSecret, WebhookConfig
from tests.support.ingress import MASTER_KEY, Publisher, RunningIngress, running_ingress
from tests.support.wait import eventually

WEBHOOKS_PER_TENANT = 100
READY_SECONDS_MAX = 120.0
_ACK_SECONDS = 60.0
_BATCH_RECORDS = 5_000
_UUID7 = (7 << 76) | (2 << 62)
_TEMPLATE = WebhookConfig(
    tenant_id=str(UUID(int=_UUID7)),
    tenant_slug="tenant",
    webhook_id=str(UUID(int=_UUID7)),
    slug="alerts",
    name="Alerts",
    version=1,
    auth_config=HmacAuth(secrets=(SealedSecret(sealed=""),)),
    idempotency_source=IdempotencySource(type="jsonata", value="alert.id"),
    handler_config=ActionHandler(
        action="createTicket",
        field_mapping={
            "title": "alert.message",
            "description": '"Host " & device.hostname & " reports " & alert.category',
            "priority_id": '$lookup({"critical": "Critical", "warning": "High"}, alert.severity)',
            "external_id": "alert.id",
            "client_id": "organization.name",
            "custom_fields": '{"serial": device.serial, "site": organization.site}',
        },
    ),
)


class WebhookRecord(NamedTuple):
    """A record of the configuration topic, and what a sender knows of its webhook."""

    key: str
    value: bytes
    config: WebhookConfig
    secret: str


class LoadFigures(NamedTuple):
    """`seconds` from the start of the receiver's process until it was ready; `bytes_peak` of its resident memory."""

    webhooks: int
    seconds: float
    bytes_peak: int


def make_webhook_records(count: int) -> Iterator[WebhookRecord]:
    """`count` webhooks that differ as real ones do: createTicket with six fields, a signature, a dedupe key."""
    box = SecretBox([base64.urlsafe_b64decode(MASTER_KEY)])
    for number in range(count):
        tenant_number = number // WEBHOOKS_PER_TENANT
        tenant_id, webhook_id = str(UUID(int=_UUID7 | tenant_number)), str(UUID(int=_UUID7 | (1 << 80) | number))
        secret = base64.urlsafe_b64encode(number.to_bytes(32)).decode().rstrip("=")
        changes: dict[str, Any] = {
            "tenant_id": tenant_id,
            "tenant_slug": f"tenant-{tenant_number}",
            "webhook_id": webhook_id,
            "slug": f"alerts-{number}",
            "name": f"Alerts of site {number}",
            "auth_config": HmacAuth(
                secrets=(seal_webhook_secret(box, secret, tenant_id=tenant_id, webhook_id=webhook_id),)
            ),
        }
        config = _TEMPLATE.model_copy(update=changes)
        value = orjson.dumps(config.model_dump(mode="json"))
        yield WebhookRecord(webhook_key(tenant_id, webhook_id), value, config, secret)


def publish_many(publisher: Publisher, count: int) -> WebhookRecord:
    """Write them to the topic; returns the last one."""
    records = make_webhook_records(count)
    last = next(records)
    outbox = Outbox(publisher.producer)
    outbox.send(CONFIGURATION, key=last.key.encode(), value=last.value)
    for number, record in enumerate(records, start=1):
        outbox.send(CONFIGURATION, key=record.key.encode(), value=record.value)
        if number % _BATCH_RECORDS == 0:
            outbox.wait(_ACK_SECONDS)
            outbox = Outbox(publisher.producer)
        last = record
    outbox.wait(_ACK_SECONDS)
    return last


@contextmanager
def loaded_ingress(bootstrap: str) -> Iterator[tuple[RunningIngress, LoadFigures]]:
    """A receiver that has read every webhook of the topic, and what that took."""
    began = time.monotonic()
    with running_ingress(bootstrap, await_ready=False) as ingress:
        eventually(
            lambda: ingress.readiness()[0] == 200, timeout_seconds=READY_SECONDS_MAX, what="the webhooks to be read"
        )
        seconds = time.monotonic() - began
        [part] = ingress.readiness()[1]["parts"]
        yield ingress, LoadFigures(part["details"]["webhooks"], seconds, _bytes_peak(ingress.process.pid))


def _bytes_peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1_024
