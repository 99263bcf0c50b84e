"""The webhook `rmm-alerts` of the demo tenant: alerts of several senders' shapes become tickets through one mapping."""

import secrets
from uuid import UUID

from hookline.seed import DEMO_WEBHOOK_ID, SeededTenant, is_configured, register_webhook
from infra.errors import KafkaUnavailableError
from infra.secretbox import SecretBox
from infra.settings import KafkaSettings
from infra.webhooks import Webhook, WebhookTable, seal_webhook_secret
from schemas.webhooks import ActionHandler, HmacAuth, IdempotencySource, WebhookConfig

SLUG = "rmm-alerts"
SIGNATURE_HEADER = "X-Signature"
_SECRET_BYTES = 32
_READ_SECONDS_MAX = 20.0
_RATE_PER_MINUTE = 60_000

# `[a, b, c][0]` is the first of them that is there. A measured value that is no number fails its field on purpose:
# a ticket that says nothing true is worse than a delivery that says why it failed.
_DEVICE = "[device.systemName, hostname, DeviceName, computer.name, agent.device_name][0]"
_MESSAGE = "[alert.message, alert.diagnostics, AffectedService, alert.subject, alert.title][0]"
_SEVERITY = "$lowercase([alert.severity, alert.priority, QualitativeNewState][0])"
_MEASURED = "[alert.value, QuantitativeNewState, alert.threshold.measured][0]"
FIELD_MAPPING = {
    "external_id": "$string(alert.id)",
    "title": f'$substring({_DEVICE} & ": " & {_MESSAGE}, 0, 200)',
    "description": (
        f'"Sender: " & sender & "\\nDevice: " & {_DEVICE} & "\\nMessage: " & {_MESSAGE}'
        f' & ($exists({_MEASURED}) ? "\\nMeasured: " & $formatNumber($number({_MEASURED}), "0.0") : "")'
    ),
    "priority_id": (
        '$lookup({"critical": "Critical", "emergency": "Critical", "failed": "Critical", "major": "High",'
        ' "high": "High", "warning": "Medium", "moderate": "Medium", "medium": "Medium",'
        f' "low": "Low", "information": "Low", "normal": "Low"}}, {_SEVERITY})'
    ),
    "client_id": "[device.organization, site.name, CustomerName, computer.client, agent.customer][0]",
    "attributes": f'{{"sender": sender, "severity": {_SEVERITY}}}',
}


def ensure_demo_webhook(dsn: str, kafka: KafkaSettings, secret_box: SecretBox, tenant: SeededTenant) -> bool:
    """Configure the webhook where it has a row and nothing more; False when it was deleted. `dsn` is the owner's.

    Its configuration may stand on the topic: earlier releases kept it there alone. Then it is taken over with its
    secret, so that senders notice nothing; else it gets a fresh secret. The relay publishes it. Raises
    PostgresUnavailableError, KafkaUnavailableError.
    """
    configured = is_configured(dsn)
    if configured is not False:
        return configured is True
    published = find_webhook(kafka, secret_box, tenant_slug=tenant.slug, slug=SLUG)
    if published is not None and published.config.webhook_id == str(DEMO_WEBHOOK_ID):
        config = published.config
    else:
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        config = build_demo_webhook(secret_box, secret, tenant_id=tenant.tenant_id, tenant_slug=tenant.slug)
    register_webhook(dsn, config)
    return True


def find_webhook(kafka: KafkaSettings, secret_box: SecretBox, *, tenant_slug: str, slug: str) -> Webhook | None:
    """The webhook of this name with its opened secrets, read from Kafka. Raises KafkaUnavailableError."""
    table = WebhookTable(kafka, secret_box, client_id="hookline-command")
    table.start()
    try:
        if not table.wait_ready(_READ_SECONDS_MAX):
            raise KafkaUnavailableError(f"the webhooks could not be read within {_READ_SECONDS_MAX:.0f} s")
        return table.find(tenant_slug, slug)
    finally:
        table.stop()


def build_demo_webhook(secret_box: SecretBox, secret: str, *, tenant_id: UUID, tenant_slug: str) -> WebhookConfig:
    """Version 1 of the webhook."""
    sealed = seal_webhook_secret(secret_box, secret, tenant_id=str(tenant_id), webhook_id=str(DEMO_WEBHOOK_ID))
    return WebhookConfig(
        tenant_id=str(tenant_id),
        tenant_slug=tenant_slug,
        webhook_id=str(DEMO_WEBHOOK_ID),
        slug=SLUG,
        name="RMM alerts",
        version=1,
        auth_config=HmacAuth(signature_header=SIGNATURE_HEADER, secrets=(sealed,)),
        idempotency_source=IdempotencySource(type="jsonata", value="alert.id"),
        handler_config=ActionHandler(action="createTicket", field_mapping=FIELD_MAPPING),
        rate_limit_per_minute=_RATE_PER_MINUTE,
    )
