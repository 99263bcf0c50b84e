"""Comparisons of two configurations of a webhook: as it is, as it was, or as a draft has it."""

from uuid import UUID

from infra.postgres import Connection, Pool, tenant_transaction
from management.access import Actor
from management.comparing.plans import PlanCompiler, version_config
from management.comparing.schemas import shown_totals
from management.configuration.records import read_records
from management.errors import ConflictError, NotFoundError, Problem, ValidationFailedError
from management.inbound_webhooks.repository import load_webhook
from management.inbound_webhooks.rules.handler import options_of
from management.inbound_webhooks.rules.problems import Problems, joined
from management.inbound_webhooks.validation import SettingsRules
from management.mapping_comparisons.comparing import LastRequestComparer
from management.mapping_comparisons.schemas import (
    ComparedConfiguration,
    Json,
    MappingComparison,
    MappingComparisonInput,
)
from schemas.webhooks import ActionHandler, WebhookConfig

_HANDLER = "handler_config"


class MappingComparisonService:
    """Raises NotFoundError, ConflictError, ValidationFailedError, and as the comparer and the stores do."""

    def __init__(self, pool: Pool, comparer: LastRequestComparer, compiler: PlanCompiler, rules: SettingsRules) -> None:
        self._pool = pool
        self._comparer = comparer
        self._compiler = compiler
        self._rules = rules

    def compare(self, actor: Actor, webhook_id: UUID, given: MappingComparisonInput) -> MappingComparison:
        """What both make of the last real requests."""
        key = actor.tenant_id, webhook_id
        with tenant_transaction(self._pool, actor.tenant_id) as connection:
            load_webhook(connection, *key)
            current = read_records(connection, [key]).get(key)
            if current is None:
                raise ConflictError("the webhook has no usable configuration: save it again, with a secret")
            configs = [self._config(connection, current, side, name) for name, side in (("a", given.a), ("b", given.b))]
        then, now = map(self._compiler.compile, configs)
        compared = self._comparer.compare(then, now, given.last)
        return MappingComparison(
            totals=shown_totals(compared.totals),
            error_rate_then=compared.error_rate(now=False),
            error_rate_now=compared.error_rate(now=True),
            failures=compared.worst(),
            differences=compared.differences,
        )

    def _config(
        self, connection: Connection, current: WebhookConfig, side: ComparedConfiguration, name: str
    ) -> WebhookConfig:
        if side.version == current.version:
            return current
        if side.version is not None:
            config = version_config(connection, current, side.version)
            if config is None:
                raise NotFoundError(f"webhook {current.webhook_id} has no version {side.version} that can be compared")
            return config
        if side.handler_config is not None:
            return self._draft(current, side.handler_config, joined(name, _HANDLER))
        if side.field_mapping is not None:
            own = current.handler_config
            if not isinstance(own, ActionHandler):
                message = "the webhook starts a workflow: give handler_config, with an action"
                raise ValidationFailedError([Problem(joined(name, "field_mapping"), message)])
            config_of_now = {**own.options, "action": own.action, "field_mapping": side.field_mapping}
            return self._draft(current, config_of_now, name)
        return current

    def _draft(self, current: WebhookConfig, config: Json, prefix: str) -> WebhookConfig:
        """`current` with another handler. Raises ValidationFailedError with every problem that a save would find
        without looking anything up."""
        problems = Problems()
        self._rules.check_action(config, problems)
        if problems.found:
            raise ValidationFailedError(
                [Problem(joined(prefix, one.path.removeprefix(f"{_HANDLER}.")), one.message) for one in problems.found]
            )
        handler = ActionHandler(
            action=config["action"], field_mapping=config["field_mapping"], options=options_of(config)
        )
        return current.model_copy(update={"handler_type": handler.type, "handler_config": handler})
