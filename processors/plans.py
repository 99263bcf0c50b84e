"""What to do with the requests of one webhook: compiled once per version of its configuration."""

from collections.abc import Mapping
from typing import Any

from infra.actions.core.coercion import Coercer
from infra.actions.registry import ActionRegistry
from infra.jsonata import JsonataError, Limits
from infra.requests.errors import RecordRefusedError
from infra.requests.mapping import FieldMapping
from infra.settings import ProcessorSettings
from infra.webhooks import Webhook, WebhookTable
from schemas.records import ErrorCode
from schemas.webhooks import ActionHandler, WebhookConfig


class Plan:
    """A webhook's configuration with its compiled mapping. `refusal` is set when it cannot work at all."""

    __slots__ = ("coercer", "config", "handler", "mapping", "refusal")

    def __init__(
        self,
        config: WebhookConfig,
        *,
        handler: ActionHandler | None = None,
        mapping: FieldMapping | None = None,
        coercer: Coercer | None = None,
        refusal: RecordRefusedError | None = None,
    ) -> None:
        self.config = config
        self.handler = handler
        self.mapping = mapping
        self.coercer = coercer
        self.refusal = refusal

    def fields(self, mapped: Mapping[str, Any]) -> dict[str, Any]:
        """Typed fields. Raises RecordRefusedError VALIDATION_ERROR with the first problem's path and all messages."""
        assert self.coercer is not None  # noqa: S101  # plans without one carry a refusal
        coerced = self.coercer.coerce(mapped)
        if coerced.problems:
            message = "; ".join(problem.message for problem in coerced.problems)
            raise RecordRefusedError(ErrorCode.VALIDATION_ERROR, message, coerced.problems[0].path)
        return coerced.fields


class Plans:
    """Plans by webhook, made on first use after every change."""

    def __init__(self, webhooks: WebhookTable, registry: ActionRegistry, settings: ProcessorSettings) -> None:
        self._webhooks = webhooks
        self._registry = registry
        self._engine = settings.mapping_engine
        self._limits = Limits(
            settings.mapping_timeout_milliseconds / 1_000,
            settings.mapping_depth_max,
            settings.mapping_result_bytes_max,
        )
        self._plans: dict[tuple[str, str], tuple[Webhook, Plan]] = {}

    def version(self, tenant_id: str, webhook_id: str) -> int:
        """Version of the configuration known here; 0 when the webhook is not known."""
        webhook = self._webhooks.by_id(tenant_id, webhook_id)
        return 0 if webhook is None else webhook.config.version

    def find(self, tenant_id: str, webhook_id: str) -> Plan | None:
        """The plan of a webhook's current configuration, or None for one that does not exist."""
        webhook = self._webhooks.by_id(tenant_id, webhook_id)
        if webhook is None:
            return None
        known = self._plans.get((tenant_id, webhook_id))
        if known is not None and known[0] is webhook:
            return known[1]
        plan = self._compile(webhook.config)
        self._plans[tenant_id, webhook_id] = (webhook, plan)
        return plan

    def _compile(self, config: WebhookConfig) -> Plan:
        handler = config.handler_config
        if not isinstance(handler, ActionHandler):
            message = f"workflow {handler.workflow_id} cannot be started: no workflow engine is installed"
            return Plan(config, refusal=RecordRefusedError(ErrorCode.WORKFLOW_UNAVAILABLE, message))
        action = self._registry.get(handler.action)
        if action is None:
            message = f"action {handler.action!r} is not installed"
            return Plan(config, refusal=RecordRefusedError(ErrorCode.ACTION_UNKNOWN, message))
        try:
            mapping = FieldMapping(handler.field_mapping, engine=self._engine, limits=self._limits)
        except JsonataError as error:
            refusal = RecordRefusedError(ErrorCode.MAPPING_FAILED, f"the mapping does not compile: {error.message}")
            return Plan(config, refusal=refusal)
        return Plan(config, handler=handler, mapping=mapping, coercer=action.coercer)
