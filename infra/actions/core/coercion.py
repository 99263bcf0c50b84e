"""Coercion: what a mapping gave, as the typed fields of an action, with every problem found.

Absent members stay absent (untouched), null stays null (cleared), everything else becomes typed or a problem.
Coercing what was coerced already changes nothing, so the sink checks again what the processors sent.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from infra.actions.core.conversion import ValueRefused, converter_of
from schemas.actions import PATH_PREFIX, ActionDefinition


class FieldProblem(NamedTuple):
    """`path` is `field_mapping.FIELD`; the message names the field and the cause."""

    path: str
    message: str

    @property
    def field(self) -> str:
        """The field's name."""
        return self.path.removeprefix(PATH_PREFIX)


class Coerced(NamedTuple):
    """`fields` are usable only when `problems` is empty. Problems come in the order of the definition's fields."""

    fields: dict[str, Any]
    problems: list[FieldProblem]


class Coercer:
    """An action's coercion, prepared once. Safe to share between threads: it keeps no state per call."""

    __slots__ = ("_action", "_converters", "_one_of", "_order", "_required")

    def __init__(self, definition: ActionDefinition) -> None:
        self._action = definition.name
        self._converters = {field.name: converter_of(field) for field in definition.target_fields}
        self._order = {PATH_PREFIX + name: position for position, name in enumerate(self._converters)}
        self._required = tuple(field.name for field in definition.target_fields if field.required)
        self._one_of = definition.required_one_of

    def coerce(self, mapped: Mapping[str, Any]) -> Coerced:
        """Typed fields of `mapped` (JSON values by field name), and all problems."""
        fields: dict[str, Any] = {}
        problems: list[FieldProblem] = []
        converters = self._converters
        for name, value in mapped.items():
            if value is None and name in converters:
                fields[name] = None
                continue
            try:
                fields[name] = converters[name](value)
            except ValueRefused as refusal:
                problems.append(FieldProblem(PATH_PREFIX + name, f"{name} {refusal}"))
            except KeyError:
                problems.append(FieldProblem(PATH_PREFIX + name, f"{name} is not a field of {self._action}"))
        for name in self._required:
            if fields.get(name) is None:
                self._note_required(name, mapped, problems)
        for group in self._one_of:
            for name in group:
                if fields.get(name) is not None:
                    break
            else:
                self._note_group(group, problems)
        if len(problems) > 1:
            unknown = len(self._order)
            problems.sort(key=lambda problem: self._order.get(problem.path, unknown))
        return Coerced(fields, problems)

    def _note_required(self, name: str, mapped: Mapping[str, Any], problems: list[FieldProblem]) -> None:
        path = PATH_PREFIX + name
        if any(problem.path == path for problem in problems):
            return
        cause = "must not be null" if name in mapped else "is required, but its expression gave no value"
        problems.append(FieldProblem(path, f"{name} {cause}"))

    def _note_group(self, group: tuple[str, ...], problems: list[FieldProblem]) -> None:
        paths = {PATH_PREFIX + name for name in group}
        if not any(problem.path in paths for problem in problems):
            problems.append(FieldProblem(PATH_PREFIX + group[0], f"one of {', '.join(group)} needs a value"))


def compile_coercer(definition: ActionDefinition) -> Coercer:
    """The coercer of `definition`, to be prepared once per process."""
    return Coercer(definition)
