"""Faults of an action's declaration: found at the start, before any record is touched."""

import re
from collections.abc import Iterator

from schemas.actions import ActionDefinition, ActionOption, FieldType, TargetField

_ACTION_NAME = re.compile(r"[a-z][A-Za-z0-9]{2,63}")
_SNAKE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
#: Members of `handler_config` that are no option's.
_TAKEN_OPTIONS = frozenset({"action", "field_mapping"})


def definition_faults(definition: ActionDefinition) -> list[str]:
    """Everything wrong with `definition`, each fault naming the action and the member; empty when it is usable."""
    found = [*_type_faults(definition)] or [*_faults(definition)]
    return [f"action {definition.name!r}: {fault}" for fault in found]


def _type_faults(definition: ActionDefinition) -> Iterator[str]:
    """Members of another type than declared: packages come from anybody, and nothing has checked theirs."""
    for member in ("name", "entity_type", "display_name", "description"):
        if not isinstance(getattr(definition, member), str):
            yield f"{member} must be text"
    for member in ("handle", "handle_many"):
        function = getattr(definition, member)
        if not callable(function) and (member == "handle" or function is not None):
            yield f"{member} must be a function"
    if not _are(TargetField, definition.target_fields) or not all(_is_typed(f) for f in definition.target_fields):
        yield "target_fields must be a tuple of TargetField, whose name and description are text"
    if not _are(ActionOption, definition.options) or not all(
        isinstance(option.name, str) and _are(str, option.enum_values) for option in definition.options
    ):
        yield "options must be a tuple of ActionOption, whose name and enum_values are text"
    if not _are(tuple, definition.required_one_of) or not all(_are(str, group) for group in definition.required_one_of):
        yield "required_one_of must be a tuple of tuples of field names"


def _are(kind: type, members: object) -> bool:
    return isinstance(members, tuple) and all(isinstance(member, kind) for member in members)


def _is_typed(field: TargetField) -> bool:
    return isinstance(field.name, str) and isinstance(field.description, str) and _are(str, field.enum_values)


def _faults(definition: ActionDefinition) -> Iterator[str]:
    if not _ACTION_NAME.fullmatch(definition.name):
        yield "name must be camelCase of 3 to 64 letters and digits"
    if not _SNAKE_NAME.fullmatch(definition.entity_type):
        yield f"entity_type {definition.entity_type!r} must be snake_case"
    if not definition.display_name or not definition.description:
        yield "display_name and description must not be empty"
    if not definition.target_fields:
        yield "target_fields must not be empty"
    names = [field.name for field in definition.target_fields]
    yield from (f"field {name} is declared twice" for name in sorted({name for name in names if names.count(name) > 1}))
    for field in definition.target_fields:
        yield from (f"field {field.name}: {fault}" for fault in _field_faults(field))
    for group in definition.required_one_of:
        if len(group) < 2 or not set(group) <= set(names):
            yield f"required_one_of {', '.join(group)} must name two or more of its fields"
    options = [option.name for option in definition.options]
    yield from (f"option {name} is declared twice" for name in sorted({n for n in options if options.count(n) > 1}))
    for option in definition.options:
        if option.name in _TAKEN_OPTIONS:
            yield f"option {option.name} has a name that handler_config needs itself"
        if not _SNAKE_NAME.fullmatch(option.name):
            yield f"option {option.name!r} must be snake_case"
        if option.enum_values and option.default not in (None, *option.enum_values):
            yield f"option {option.name}: default {option.default!r} is not one of its values"


def _field_faults(field: TargetField) -> Iterator[str]:
    if not _SNAKE_NAME.fullmatch(field.name):
        yield "name must be snake_case"
    if field.type not in set(FieldType):
        yield f"type {field.type!r} is unknown"
    if (field.type == FieldType.ENUM) != bool(field.enum_values):
        yield "enum_values belong to an enum, and an enum needs them"
    if (field.type == FieldType.REF) != (field.ref_entity_type is not None):
        yield "ref_entity_type belongs to a ref, and a ref needs it"
    if field.max_length is not None and (field.max_length < 1 or field.type not in (FieldType.STRING, FieldType.JSON)):
        yield "max_length must be positive, on a string or json field"
    if (field.minimum, field.maximum) != (None, None) and field.type not in (FieldType.INT, FieldType.NUMBER):
        yield "minimum and maximum belong to int and number"
    if field.minimum is not None and field.maximum is not None and field.minimum > field.maximum:
        yield "minimum is above maximum"
    if field.json_object and field.type != FieldType.JSON:
        yield "json_object belongs to json"
