"""What a request is to do: the action with its fields and options, or the workflow."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from infra.actions.core.options import check_options
from infra.actions.registry import ActionRegistry, RegisteredAction
from infra.jsonata import JsonataError
from management.inbound_webhooks.rules.expressions import ExpressionRules, NoValue, in_words
from management.inbound_webhooks.rules.problems import Problems, check_shape, joined
from management.inbound_webhooks.schemas import ActionHandlerSettings
from schemas.actions import PATH_PREFIX, ActionDefinition
from schemas.webhooks import WorkflowHandler

HANDLER_TYPES = ("direct_action", "workflow")
MAPPING_PATH = "handler_config.field_mapping"
_OWN_MEMBERS = frozenset(ActionHandlerSettings.model_fields)


def check_handler(
    handler_type: str, config: Any, registry: ActionRegistry, expressions: ExpressionRules, problems: Problems
) -> dict[str, Any]:
    """Note every problem that can be found without looking anything up; the constants of the mapping by field.

    Constants come as the action's typed fields, those alone that were without a problem.
    """
    if handler_type == "workflow":
        _check_workflow(config, problems)
        return {}
    check_shape(ActionHandlerSettings, _own_members(config), "handler_config", problems)
    if not isinstance(config, dict):
        return {}
    given = config.get("field_mapping")
    mapping: dict[str, Any] = given if isinstance(given, dict) else {}
    compiled = {
        field: source
        for field, source in mapping.items()
        if isinstance(source, str) and expressions.check(joined(MAPPING_PATH, field), source, problems)
    }
    if compiled and compiled == mapping:
        expressions.check_together(MAPPING_PATH, compiled, problems)
    name = config.get("action")
    action = registry.get(name) if isinstance(name, str) else None
    if action is None:
        if isinstance(name, str):
            problems.add("handler_config.action", f"no action {name!r} is installed")
        return {}
    for problem in check_options(action.definition, options_of(config)).problems:
        problems.add(problem.path, problem.message)
    if isinstance(given, dict):
        _check_fields(action.definition, mapping, problems)
    return _check_constants(action, compiled, expressions, problems)


def options_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Members beside type, action and mapping."""
    return {name: value for name, value in config.items() if name not in _OWN_MEMBERS}


def _own_members(config: Any) -> Any:
    if not isinstance(config, dict):
        return config
    return {name: value for name, value in config.items() if name in _OWN_MEMBERS}


def _check_workflow(config: Any, problems: Problems) -> None:
    path = "handler_config.workflow_id"
    handler = check_shape(WorkflowHandler, config, "handler_config", problems)
    if handler is None:
        return
    try:
        workflow_id = UUID(handler.workflow_id)
    except ValueError:
        problems.add(path, "workflow_id must be a workflow's id (UUID)")
        return
    # There are no workflows in this release, so none can be meant.
    problems.add(path, f"no workflow {workflow_id}")


def _check_fields(definition: ActionDefinition, mapping: Mapping[str, Any], problems: Problems) -> None:
    known = {field.name for field in definition.target_fields}
    for name in mapping:
        if name not in known:
            problems.add(joined(MAPPING_PATH, name), f"{name} is not a field of {definition.name}")
    for field in definition.target_fields:
        if field.required and field.name not in mapping:
            problems.add(joined(MAPPING_PATH, field.name), f"{field.name} is required by {definition.name}: map it")
    for group in definition.required_one_of:
        if not mapping.keys() & set(group):
            message = f"{definition.name} needs one of {', '.join(group)}: map one of them"
            problems.add(joined(MAPPING_PATH, group[0]), message)


def _check_constants(
    action: RegisteredAction, compiled: Mapping[str, str], expressions: ExpressionRules, problems: Problems
) -> dict[str, Any]:
    """What is the same for every request must fit now."""
    known = {field.name for field in action.definition.target_fields}
    constants: dict[str, Any] = {}
    without_value: set[str] = set()
    for name, value in _constants({f: s for f, s in compiled.items() if f in known}, expressions, problems):
        if isinstance(value, NoValue):
            without_value.add(name)
        else:
            constants[name] = value
    coerced = action.coercer.coerce(constants)
    for problem in coerced.problems:
        if problem.field in constants or problem.field in without_value:
            problems.add(joined(MAPPING_PATH, problem.path.removeprefix(PATH_PREFIX)), problem.message)
    return {name: value for name, value in coerced.fields.items() if value is not None}


def _constants(
    compiled: Mapping[str, str], expressions: ExpressionRules, problems: Problems
) -> Iterator[tuple[str, Any]]:
    for name, source in compiled.items():
        try:
            yield name, expressions.constant(source)
        except LookupError:
            continue
        except JsonataError as error:
            problems.add(joined(MAPPING_PATH, name), f"{name} fails for every request: {in_words(error)}")
