"""Everything about inbound webhooks as they are configured, put together: settings, secrets, versions, comparisons."""

import time

from fastapi import APIRouter

from infra.clickhouse import ClickHouse
from infra.postgres import Pool
from infra.secretbox import load_secret_box
from infra.settings import Settings
from management.access import Access
from management.comparing.plans import plan_compiler
from management.inbound_webhooks.activity import WebhookActivity
from management.inbound_webhooks.activity_reader import ActivityReader
from management.inbound_webhooks.endpoints import inbound_webhook_routes
from management.inbound_webhooks.sealed_secrets import SealedSecrets
from management.inbound_webhooks.service import InboundWebhookService
from management.inbound_webhooks.showing import Showing
from management.inbound_webhooks.validation import SettingsRules
from management.inbound_webhooks.writing import WebhookWriter
from management.mapping_comparisons.comparing import LastRequestComparer
from management.mapping_comparisons.endpoints import mapping_comparison_routes
from management.mapping_comparisons.guard import ErrorRateGuard
from management.mapping_comparisons.repository import LastRequestRepository
from management.mapping_comparisons.service import MappingComparisonService
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
    comparer = LastRequestComparer(LastRequestRepository(clickhouse), settings.kafka)
    compiler = plan_compiler(settings, rules.registry)
    guard = ErrorRateGuard(comparer, compiler)
    webhooks = InboundWebhookService(
        pool, activity, rules, writer, showing, webhooks_max=webhooks_max, require_no_worse=guard.require_no_worse
    )
    return [
        inbound_webhook_routes(webhooks, access),
        webhook_secret_routes(WebhookSecretService(pool, rules, writer, secrets, showing), access),
        webhook_version_routes(WebhookVersionService(pool, writer), webhooks, access),
        mapping_comparison_routes(MappingComparisonService(pool, comparer, compiler, rules), access),
        explanation_routes(ExplanationService(pool, secrets, rules.presets, settings), access),
    ]
