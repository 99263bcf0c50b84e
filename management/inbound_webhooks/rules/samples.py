"""What the captured sample says about a mapping: hints, since other bodies may be otherwise."""

from typing import Any

from infra.actions.registry import ActionRegistry
from infra.jsonata import JsonataError, paths_read
from management.inbound_webhooks.rules.expressions import ExpressionRules, NoValue, in_words
from management.inbound_webhooks.rules.handler import MAPPING_PATH
from management.inbound_webhooks.rules.problems import joined
from management.inbound_webhooks.schemas import ActionHandlerSettings, InboundWebhookSettings, SettingsWarning


def sample_warnings(
    settings: InboundWebhookSettings, sample_text: str | None, registry: ActionRegistry, expressions: ExpressionRules
) -> list[SettingsWarning]:
    """One per field whose value for the sample (JSON text) does not fit, or which fails on it."""
    handler = settings.handler_config
    if sample_text is None or not isinstance(handler, ActionHandlerSettings):
        return []
    action = registry.get(handler.action)
    if action is None:
        return []
    values: dict[str, Any] = {}
    warnings: list[SettingsWarning] = []
    for field, source in handler.field_mapping.items():
        try:
            if _reads_body_alone(source):
                values[field] = expressions.evaluate(source, sample_text)
        except JsonataError as error:
            message = f"{field} fails for the captured sample: {in_words(error)}"
            warnings.append(SettingsWarning(path=joined(MAPPING_PATH, field), message=message))
    given = {field: value for field, value in values.items() if not isinstance(value, NoValue)}
    for problem in action.coercer.coerce(given).problems:
        if problem.field in values:
            message = f"for the captured sample, {problem.message}"
            warnings.append(SettingsWarning(path=joined(MAPPING_PATH, problem.field), message=message))
    return warnings


def _reads_body_alone(source: str) -> bool:
    """What reads headers, query or delivery has no value to speak of: a sample is a body."""
    return not any(path.startswith("$") and path != "$" for path in paths_read(source))
