"""Every problem of a body, collected while the rules go through it."""

from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from management.errors import Problem, ValidationFailedError

_INTEGER_MAX = 2**63 - 1
Model = TypeVar("Model", bound=BaseModel)
_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not a member here",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
}


class Problems:
    """In the order they were found."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, path: str, message: str) -> None:
        """Note one; the message says what is wrong, and with which member."""
        self.found.append(Problem(path, message))

    def at(self, path: str) -> bool:
        """Whether something is wrong with the member at `path`, or within it."""
        return any(problem.path == path or problem.path.startswith(f"{path}.") for problem in self.found)

    def raise_if_any(self) -> None:
        """Raises ValidationFailedError with all of them."""
        if self.found:
            raise ValidationFailedError(self.found)


def joined(*parts: object) -> str:
    """A dotted path."""
    return ".".join(str(part) for part in parts if part != "")


def check_shape(model: type[Model], given: Any, prefix: str, problems: Problems) -> Model | None:
    """`given` (JSON values) as `model`, or None with every problem noted under `prefix`. "60" is no number here."""
    try:
        return model.model_validate_json(orjson.dumps(given), strict=True)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        for details in found:
            if details["type"] == "too_short" and any(_is_within(other["loc"], details["loc"]) for other in found):
                continue  # entries that are wrong were not counted
            path = joined(prefix, *details["loc"])
            problems.add(path, f"{path.rpartition('.')[2] or 'the body'} {_words(details)}")
        return None


def check_numbers(given: Any) -> None:
    """Refuse integers that JSON readers of other stages do not take. Raises ValidationFailedError."""
    problems = Problems()
    pending: list[tuple[str, Any]] = [("", given)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, dict):
            pending += [(joined(path, name), member) for name, member in value.items()]
        elif isinstance(value, list):
            pending += [(joined(path, number), item) for number, item in enumerate(value)]
        elif isinstance(value, int) and abs(value) > _INTEGER_MAX:
            problems.add(path, f"{path.rpartition('.')[2]} is beyond 64 bits")
    problems.raise_if_any()


def _is_within(place: tuple[object, ...], outer: tuple[object, ...]) -> bool:
    return len(place) > len(outer) and place[: len(outer)] == outer


def _words(details: ErrorDetails) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind in _WORDS:
        return _WORDS[kind]
    if kind == "literal_error":
        return f"must be {context['expected']}"
    if kind in ("string_too_long", "string_too_short"):
        return f"must have {_bound(context)} characters"
    if kind in ("too_long", "too_short"):
        return f"must have {_bound(context)} entries"
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"must be at {'least' if 'ge' in context else 'most'} {context.get('ge', context.get('le'))}"
    if kind == "string_pattern_mismatch":
        return "has a form that is not allowed"
    if kind == "value_error":
        return f"is not valid: {context['error']}"
    return f"is not valid: {details['msg']}"


def _bound(context: dict[str, Any]) -> str:
    lower = "min_length" in context
    return f"at {'least' if lower else 'most'} {context['min_length' if lower else 'max_length']}"
