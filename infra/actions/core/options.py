"""Options in `handler_config`: checked against the action's declaration, defaults filled in."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from infra.actions.core.coercion import FieldProblem
from schemas.actions import EXTERNAL_IDS_OF, ActionDefinition, ActionOption

PATH_PREFIX = "handler_config."


class CheckedOptions(NamedTuple):
    """`values` hold every declared option that was given or has a default; usable only without `problems`."""

    values: dict[str, str]
    problems: list[FieldProblem]


def check_options(definition: ActionDefinition, given: Mapping[str, Any]) -> CheckedOptions:
    """Options as the handler sees them; undeclared ones and values outside the declaration are problems."""
    declared = {option.name: option for option in definition.options}
    values = {option.name: option.default for option in definition.options if option.default is not None}
    problems: list[FieldProblem] = []
    for name, value in given.items():
        option = declared.get(name)
        cause = f"{definition.name} has no option {name}" if option is None else _fault(option, value)
        if cause is None:
            values[name] = value
        else:
            problems.append(FieldProblem(PATH_PREFIX + name, cause))
    return CheckedOptions(values, problems)


def namespace_of(options: Mapping[str, str], webhook_id: str) -> str:
    """The webhook whose external ids an action means: its own, or the one `external_ids_of` names."""
    return options.get(EXTERNAL_IDS_OF.name, webhook_id)


def _fault(option: ActionOption, value: Any) -> str | None:
    if not isinstance(value, str):
        return f"{option.name} must be text"
    if option.enum_values:
        return None if value in option.enum_values else f"{option.name} must be one of {', '.join(option.enum_values)}"
    try:
        UUID(value)
    except ValueError:
        return f"{option.name} must be a webhook's id"
    return None
