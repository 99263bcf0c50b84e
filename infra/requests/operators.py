"""The operators of filter rules: what value each takes, and when a value of the request meets it. Pure.

Types are compared strictly: number with number, text with text; text that looks like a number stays text. Every
`not_` operator is the exact opposite of its positive one, so a field that is missing meets `not_…` and nothing else.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import re2

TEXT_LENGTH_MAX = 4_096
LIST_ITEMS_MAX = 1_000
PATTERN_LENGTH_MAX = 1_000
PATTERN_SIZE_MAX = 5_000
#: Longer texts are not searched with a pattern, and longer arrays not gone through: see `TooLargeError`.
SEARCHED_LENGTH_MAX = 100_000
ARRAY_ITEMS_MAX = 10_000

Meets = Callable[[Any], bool]


class OperatorError(ValueError):
    """A value that its operator does not take."""


class TooLargeError(ValueError):
    """A value of the request is too large for the operator to look at."""


class Operator(NamedTuple):
    """`build` turns the rule's value into a test of one value; None: the operator asks only whether there is one."""

    build: Callable[[Any], Meets] | None
    is_negative: bool = False


def _identity(value: Any) -> tuple[str, Any] | None:
    """Equal for equal scalars of one JSON type; None for arrays and objects."""
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int | float):
        return "number", value
    if isinstance(value, str):
        return "text", value
    return ("null", None) if value is None else None


def _scalar(value: Any, takes: str) -> tuple[str, Any]:
    identity = _identity(value)
    if identity is None:
        raise OperatorError(f"takes {takes}; compare arrays and objects with a jsonata rule")
    _text_bounded(value)
    return identity


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise OperatorError("takes text")
    _text_bounded(value)
    return value


def _text_bounded(value: Any) -> None:
    if isinstance(value, str) and len(value) > TEXT_LENGTH_MAX:
        raise OperatorError(f"takes at most {TEXT_LENGTH_MAX} characters")


def _equals(value: Any) -> Meets:
    wanted = _scalar(value, "text, a number, true, false or null")
    return lambda found: _identity(found) == wanted


def _contains(value: Any) -> Meets:
    """Text that contains the text, or an array that has the value for an item."""
    wanted = _scalar(value, "text, a number, true, false or null")

    def meets(found: Any) -> bool:
        if isinstance(found, str):
            return wanted[0] == "text" and wanted[1] in found
        if not isinstance(found, list):
            return False
        if len(found) > ARRAY_ITEMS_MAX:
            raise TooLargeError(f"is an array of more than {ARRAY_ITEMS_MAX} items")
        return any(_identity(item) == wanted for item in found)

    return meets


def _starts_with(value: Any) -> Meets:
    start = _text(value)
    return lambda found: isinstance(found, str) and found.startswith(start)


def _ends_with(value: Any) -> Meets:
    end = _text(value)
    return lambda found: isinstance(found, str) and found.endswith(end)


def _regex_match(value: Any) -> Meets:
    """A pattern (RE2: linear time, no backreferences, no look-around) that is found anywhere in the text."""
    if not isinstance(value, str) or not value:
        raise OperatorError("takes a pattern")
    if len(value) > PATTERN_LENGTH_MAX:
        raise OperatorError(f"takes a pattern of at most {PATTERN_LENGTH_MAX} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        pattern = re2.compile(value.encode(), options)
    except (re2.error, UnicodeEncodeError) as error:
        cause = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise OperatorError(f"takes a pattern; this one cannot be read: {cause}") from error
    if pattern.programsize > PATTERN_SIZE_MAX:
        raise OperatorError("takes a smaller pattern; this one repeats too much")

    def meets(found: Any) -> bool:
        if not isinstance(found, str):
            return False
        if len(found) > SEARCHED_LENGTH_MAX:
            raise TooLargeError(f"is text of more than {SEARCHED_LENGTH_MAX} characters")
        return pattern.search(found.encode("utf-8", "replace")) is not None

    return meets


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any], Meets]:
    """Numbers by size, texts by their characters' code points (so ISO times by time)."""

    def build(value: Any) -> Meets:
        wanted = _identity(value)
        if wanted is None or wanted[0] not in ("number", "text"):
            raise OperatorError("takes a number or text")
        _text_bounded(value)
        kind = wanted[0]

        def meets(found: Any) -> bool:
            identity = _identity(found)
            return identity is not None and identity[0] == kind and compare(found, value)

        return meets

    return build


def _in(value: Any) -> Meets:
    if not isinstance(value, list):
        raise OperatorError("takes an array")
    if len(value) > LIST_ITEMS_MAX:
        raise OperatorError(f"takes at most {LIST_ITEMS_MAX} items")
    wanted = {_scalar(item, "an array of texts, numbers, true, false and null") for item in value}
    return lambda found: _identity(found) in wanted


OPERATORS: dict[str, Operator] = {
    "equals": Operator(_equals),
    "not_equals": Operator(_equals, is_negative=True),
    "contains": Operator(_contains),
    "not_contains": Operator(_contains, is_negative=True),
    "starts_with": Operator(_starts_with),
    "ends_with": Operator(_ends_with),
    "regex_match": Operator(_regex_match),
    "greater_than": Operator(_ordered(lambda found, value: found > value)),
    "less_than": Operator(_ordered(lambda found, value: found < value)),
    "in": Operator(_in),
    "not_in": Operator(_in, is_negative=True),
    "exists": Operator(None),
    "not_exists": Operator(None, is_negative=True),
}
