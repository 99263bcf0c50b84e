"""The plans of the webhooks in force: compiled once per version of a configuration."""

from infra.actions.registry import ActionRegistry
from infra.requests.bindings import Surroundings
from infra.requests.mapping import mapping_limits
from infra.requests.plan import RequestPlan, compile_plan
from infra.settings import ProcessorSettings
from infra.webhooks import Webhook, WebhookTable


class Plans:
    """Plans by webhook, made on first use after every change."""

    def __init__(
        self, webhooks: WebhookTable, registry: ActionRegistry, surroundings: Surroundings, settings: ProcessorSettings
    ) -> None:
        self._webhooks = webhooks
        self._surroundings = surroundings
        self._registry = registry
        self._engine = settings.mapping_engine
        self._limits = mapping_limits(settings)
        self._plans: dict[tuple[str, str], tuple[Webhook, RequestPlan]] = {}

    def version(self, tenant_id: str, webhook_id: str) -> int:
        """Version of the configuration known here; 0 when the webhook is not known."""
        webhook = self._webhooks.by_id(tenant_id, webhook_id)
        return 0 if webhook is None else webhook.version

    def find(self, tenant_id: str, webhook_id: str) -> RequestPlan | None:
        """The plan of a webhook's current configuration, or None for one that does not exist."""
        webhook = self._webhooks.by_id(tenant_id, webhook_id)
        if webhook is None:
            return None
        known = self._plans.get((tenant_id, webhook_id))
        if known is not None and known[0] is webhook:
            return known[1]
        plan = compile_plan(
            webhook.config, self._registry, self._surroundings, engine=self._engine, limits=self._limits
        )
        self._plans[tenant_id, webhook_id] = (webhook, plan)
        return plan
