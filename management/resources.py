"""Every resource of the API, put together over the stores."""

import time
from dataclasses import dataclass

from fastapi import APIRouter

from infra.actions.registry import load_actions
from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.postgres import Pool
from infra.presets import load_presets
from infra.queries import load_queries
from infra.secretbox import load_secret_box
from infra.settings import Settings
from management.access import Access
from management.actions.endpoints import action_routes
from management.actions.service import ActionService
from management.alert_rules.endpoints import alert_rule_routes
from management.alert_rules.repository import AlertRuleRepository
from management.alert_rules.service import AlertRuleService
from management.alerts.endpoints import alert_routes
from management.alerts.repository import AlertRepository
from management.alerts.service import AlertService
from management.api_keys.endpoints import api_key_routes
from management.api_keys.repository import ApiKeyRepository
from management.api_keys.service import ApiKeyService
from management.audit_entries.endpoints import audit_routes
from management.audit_entries.repository import AuditRepository
from management.audit_entries.service import AuditService
from management.authentication import authentication
from management.comparing.plans import plan_compiler
from management.dead_letters.endpoints import dead_letter_routes
from management.dead_letters.repository import DeadLetterRepository
from management.dead_letters.service import DeadLetterService
from management.deliveries.endpoints import delivery_routes, webhook_delivery_routes
from management.deliveries.repository import DeliveryRepository
from management.deliveries.service import DeliveryService
from management.delivery_replays.endpoints import delivery_replay_routes
from management.delivery_replays.repository import DeliveryReplayRepository
from management.delivery_replays.service import DeliveryReplayService
from management.delivery_stream.endpoints import delivery_stream_routes
from management.delivery_stream.service import DeliveryStreamService
from management.entities.resources import entity_resources
from management.erasures.endpoints import erasure_routes
from management.erasures.repository import ErasureRepository
from management.erasures.service import ErasureService
from management.event_types.endpoints import event_type_routes, webhook_event_type_routes
from management.event_types.repository import EventTypeRepository
from management.event_types.service import EventTypeService
from management.exports import ExportRoom
from management.inbound_webhooks.validation import SettingsRules
from management.ledger.endpoints import ledger_routes
from management.ledger.repository import LedgerRepository
from management.ledger.service import LedgerService
from management.metrics.endpoints import metrics_routes
from management.metrics.repository import MetricsRepository
from management.metrics.service import MetricsService
from management.people import People
from management.presets.endpoints import preset_routes
from management.presets.service import PresetService
from management.rate_limit import FailedKeys
from management.rejections.endpoints import rejection_routes
from management.rejections.repository import RejectionRepository
from management.rejections.service import RejectionService
from management.replay_differences.endpoints import replay_difference_routes
from management.replay_differences.repository import SelectedDeliveryRepository
from management.replay_differences.service import ReplayDifferenceService
from management.replay_jobs.planning import DELIVERY_QUERIES
from management.replays.endpoints import replay_routes
from management.replays.progress import ReplayProgress
from management.replays.repository import ReplayRepository
from management.replays.service import ReplayService
from management.testing import Testing
from management.webhooks import webhook_routes


@dataclass(frozen=True, slots=True)
class Resources:
    """The routes, and what works behind some of them."""

    routes: list[APIRouter]
    testing: Testing
    stream: DeliveryStreamService
    letters: DeadLetterService
    progress: ReplayProgress
    replays: DeliveryReplayService


def build_resources(settings: Settings, pool: Pool, clickhouse: ClickHouse) -> Resources:
    """Asks no store anything. Raises SettingsError when no master key is configured, PresetError for a wrong preset."""
    failed_keys = FailedKeys(settings.management.failed_keys_per_minute, time.monotonic)
    api_keys = ApiKeyService(ApiKeyRepository(pool, keys_max=settings.management.tenant_keys_max), failed_keys)
    people = People(settings, pool)
    access = Access(authentication(api_keys, people.sessions, people.addresses))
    registry = load_actions()
    presets = load_presets(settings.presets_folder)
    rules = SettingsRules(registry, settings.processors, presets)
    testing = Testing(settings, pool, registry, presets)
    event_types = EventTypeService(EventTypeRepository(pool))
    exports = ExportRoom()
    delivery_repository = DeliveryRepository(clickhouse, pool)
    deliveries = DeliveryService(delivery_repository, exports)
    stream = DeliveryStreamService(settings.kafka, delivery_repository)
    letters = DeadLetterService(DeadLetterRepository(pool, clickhouse), settings, presets)
    replay_jobs = ReplayRepository(pool, clickhouse, settings.replays.tenant_jobs_max)
    progress = ReplayProgress(replay_jobs)
    rejection_repository = RejectionRepository(clickhouse)
    replays = DeliveryReplayService(
        DeliveryReplayRepository(pool, clickhouse), delivery_repository, rejection_repository, settings, presets
    )
    routes = [
        *people.routes(access),
        # Before /inbound-webhooks/{webhook_id}, which would take their last part for an id.
        action_routes(ActionService(registry), access),
        preset_routes(PresetService(presets), access),
        webhook_event_type_routes(event_types, access),
        *testing.routes(access),
        alert_routes(AlertService(AlertRepository(pool)), access),
        alert_rule_routes(AlertRuleService(AlertRuleRepository(pool)), access),
        *webhook_routes(settings, pool, clickhouse, rules, access),
        api_key_routes(api_keys, access),
        audit_routes(AuditService(AuditRepository(pool)), access),
        dead_letter_routes(letters, access),
        delivery_stream_routes(stream, access),
        delivery_routes(deliveries, access),
        webhook_delivery_routes(deliveries, access),
        delivery_replay_routes(replays, access),
        event_type_routes(event_types, access),
        *entity_resources(pool, access),
        erasure_routes(ErasureService(ErasureRepository(pool), clickhouse, load_secret_box(settings)), access),
        ledger_routes(LedgerService(LedgerRepository(pool), settings, clickhouse), access),
        replay_difference_routes(
            ReplayDifferenceService(
                SelectedDeliveryRepository(clickhouse), pool, plan_compiler(settings, registry), settings.kafka
            ),
            access,
        ),
        replay_routes(ReplayService(replay_jobs, exports, load_queries(DELIVERY_QUERIES)), progress, access),
        rejection_routes(RejectionService(rejection_repository, pool, presets, exports), access),
        metrics_routes(MetricsService(MetricsRepository(clickhouse, pool), settings.sla, now_us), access),
    ]
    return Resources(routes, testing, stream, letters, progress, replays)
