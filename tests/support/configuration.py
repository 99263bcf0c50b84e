"""Records of the configuration written by hand, where no management runs to publish them."""

from __future__ import annotations

from infra.kafka import Outbox, PolledProducer
from infra.topics import CONFIGURATION
from infra.webhooks import webhook_key
from schemas.webhooks import WebhookConfig

_ACK_SECONDS = 10.0


def publish_webhook(producer: PolledProducer, config: WebhookConfig) -> None:
    """Put `config` in force. Raises KafkaUnavailableError when it is not acknowledged."""
    _publish(producer, config.tenant_id, config.webhook_id, config.model_dump_json().encode())


def delete_webhook(producer: PolledProducer, tenant_id: str, webhook_id: str) -> None:
    """Take the webhook out of force. Raises KafkaUnavailableError when it is not acknowledged."""
    _publish(producer, tenant_id, webhook_id, None)


def _publish(producer: PolledProducer, tenant_id: str, webhook_id: str, value: bytes | None) -> None:
    outbox = Outbox(producer)
    outbox.send(CONFIGURATION, key=webhook_key(tenant_id, webhook_id).encode(), value=value)
    outbox.wait(_ACK_SECONDS)
