"""Plans to compare: of a webhook as it is now, of a version of it that was kept, and of a draft."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import ValidationError

from infra.actions.registry import ActionRegistry
from infra.enrichment.clients import surroundings_of
from infra.jsonata import Limits
from infra.postgres import Connection, Pool, tenant_transaction
from infra.requests.bindings import Surroundings
from infra.requests.mapping import mapping_limits
from infra.requests.plan import RequestPlan, compile_plan
from infra.settings import Settings
from management.configuration.records import read_records
from management.errors import NotFoundError
from management.event_types.lookup import find_schema
from management.inbound_webhooks.schemas import InboundWebhookSettings
from management.inbound_webhooks.stored import to_columns
from management.webhook_versions.repository import load_version
from schemas.webhooks import WebhookConfig

#: Plans in memory at once, of one comparison; deliveries of a webhook come one after the other.
_PLANS_MAX = 100
#: What of a version decides about a request once it is taken.
_DECIDING = ("handler_type", "handler_config", "filters", "metadata", "enrichment", "validation", "redact_paths")


class PlanCompiler(NamedTuple):
    """With the actions, the engine and the limits that the pipeline works with."""

    registry: ActionRegistry
    surroundings: Surroundings
    engine: str
    limits: Limits

    def compile(self, config: WebhookConfig) -> RequestPlan:
        """What cannot work becomes the refusal of every request."""
        return compile_plan(config, self.registry, self.surroundings, engine=self.engine, limits=self.limits)


def plan_compiler(settings: Settings, registry: ActionRegistry) -> PlanCompiler:
    """As the settings have it."""
    processors = settings.processors
    limits = mapping_limits(processors)
    return PlanCompiler(registry, surroundings_of(settings), processors.mapping_engine, limits)


class PlanShelf:
    """Plans of one tenant's webhooks. A webhook is read once, so that all of a comparison is of one configuration.

    For one thread. Raises PostgresUnavailableError while Postgres is away.
    """

    def __init__(self, pool: Pool, tenant_id: UUID, compiler: PlanCompiler) -> None:
        self._pool = pool
        self._tenant_id = tenant_id
        self._compiler = compiler
        self._plans: OrderedDict[tuple[UUID, int | None], RequestPlan | None] = OrderedDict()

    def current(self, webhook_id: UUID) -> RequestPlan | None:
        """As the webhook is now; None where there is none, or none that can be in force."""
        return self._kept(webhook_id, None)

    def pinned(self, webhook_id: UUID, version: int) -> RequestPlan | None:
        """As the webhook was in `version`; None where that is not kept, or cannot be read any more."""
        current = self.current(webhook_id)
        if current is None or current.config.version == version:
            return current
        return self._kept(webhook_id, version)

    def _kept(self, webhook_id: UUID, version: int | None) -> RequestPlan | None:
        key = webhook_id, version
        if key not in self._plans:
            self._plans[key] = self._load(webhook_id, version)
            if len(self._plans) > _PLANS_MAX:
                self._plans.popitem(last=False)
        self._plans.move_to_end(key)
        return self._plans[key]

    def _load(self, webhook_id: UUID, version: int | None) -> RequestPlan | None:
        current = None if version is None else self.current(webhook_id)
        with tenant_transaction(self._pool, self._tenant_id) as connection:
            if version is None:
                config = read_records(connection, [(self._tenant_id, webhook_id)]).get((self._tenant_id, webhook_id))
            else:
                config = None if current is None else version_config(connection, current.config, version)
        return None if config is None else self._compiler.compile(config)


def version_config(connection: Connection, current: WebhookConfig, version: int) -> WebhookConfig | None:
    """`current` with what decided about requests in `version`; None where that is not kept, or cannot be read."""
    tenant_id, webhook_id = UUID(current.tenant_id), UUID(current.webhook_id)
    try:
        row, _ = load_version(connection, tenant_id, webhook_id, version)
        settings = InboundWebhookSettings.model_validate(row["config"])
    except (NotFoundError, ValidationError):
        return None
    json_schema: Mapping[str, Any] | None = None
    if settings.validation is not None:
        asked = settings.validation
        found = find_schema(connection, tenant_id, asked.event_type, asked.event_version)
        if found is None:
            return None
        json_schema = found.json_schema
    columns = to_columns(settings, json_schema)
    deciding = {name: columns[name] for name in _DECIDING}
    return WebhookConfig.model_validate({**current.model_dump(mode="json"), **deciding, "version": version})
