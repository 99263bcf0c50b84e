"""Everything about inbound webhooks as they are configured, put together: settings, secrets, versions, explanations."""

import time

from fastapi import APIRouter

from infra.clickhouse import ClickHouse
from infra.postgres import Pool
from infra.secretbox import load_secret_box
from infra.settings import Settings
from management.access import Access
from management.inbound_webhooks.activity import WebhookActivity
from management.inbound_webhooks.activity_reader import ActivityReader
from management.inbound_webhooks.endpoints import inbound_webhook_routes
from management.inbound_webhooks.sealed_secrets import SealedSecrets
from management.inbound_webhooks.service import InboundWebhookService
from management.inbound_webhooks.showing import Showing
from management.inbound_webhooks.validation import SettingsRules
from management.inbound_webhooks.writing import WebhookWriter
from management.webhook_explanations.endpoints import explanation_routes
from management.webhook_explanations.service import ExplanationService
from management.webhook_secrets.endpoints import webhook_secret_routes
from management.webhook_secrets.service import WebhookSecretService
from management.webhook_versions.endpoints import webhook_version_routes
from management.webhook_versions.service import WebhookVersionService


def webhook_routes(
    settings: Settings, pool: Pool, clickhouse: ClickHouse, rules: SettingsRules, access: Access
) -> list[APIRouter]:
    """Of every resource here. Raises SettingsError when no master key is configured."""
    secrets = SealedSecrets(load_secret_box(settings))
    writer = WebhookWriter(rules, secrets)
    showing = Showing(settings.management.receiver_base_url, secrets, rules.presets)
    activity = ActivityReader(WebhookActivity(clickhouse), time.monotonic)
    webhooks_max = settings.management.tenant_webhooks_max
    webhooks = InboundWebhookService(pool, activity, rules, writer, showing, webhooks_max=webhooks_max)
    return [
        inbound_webhook_routes(webhooks, access),
        webhook_secret_routes(WebhookSecretService(pool, rules, writer, secrets, showing), access),
        webhook_version_routes(WebhookVersionService(pool, writer), webhooks, access),
        explanation_routes(ExplanationService(pool, secrets, rules.presets, settings), access),
    ]
