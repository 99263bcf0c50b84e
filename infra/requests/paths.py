"""Paths into a JSON value: `$.data.items[0]['the name'][*].id`, also without the leading `$.`. A part of RFC 9535.

A path gives all values it leads to: none when a step leads nowhere, several only through `[*]`. A name leads into
objects only and an index into arrays only (from the end when negative); `[*]` leads to every member of either.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

PATH_LENGTH_MAX = 512
STEPS_MAX = 32
#: Through `[*]`, so that no path makes more work than a delivery may.
VALUES_MAX = 10_000

_STEP = re.compile(
    r"""
    \.(?P<name>[^\W\d][\w-]*)
    | \.\*
    | \[ (?: (?P<index>-?\d{1,9}) | (?P<star>\*) | (?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*") ) \]
    """,
    re.VERBOSE,
)
_BARE_NAME = re.compile(r"[^\W\d][\w-]*")

Step = str | int | None


class PathError(ValueError):
    """A path that cannot be read; the message says where."""


class TooManyValuesError(ValueError):
    """A path leads to more than VALUES_MAX values of this body."""


class JsonPath:
    """A path, read once. Steps are names, indexes, and None for `[*]`."""

    __slots__ = ("_steps",)

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Names, indexes, and None for `[*]`, from the root."""
        return self._steps

    def values(self, body: Any) -> Sequence[Any]:
        """The values it leads to. Raises TooManyValuesError."""
        values: Sequence[Any] = (body,)
        for step in self._steps:
            values = [member for value in values for member in _members(value, step)]
            if len(values) > VALUES_MAX:
                raise TooManyValuesError(f"leads to more than {VALUES_MAX} values")
        return values

    def replace(self, box: list[Any], new: Any) -> bool:
        """Put `new` in the place of every value that it leads to from `box[0]`; True when there was one.

        Raises TooManyValuesError.
        """
        holders: list[tuple[Any, Any]] = [(box, 0)]
        for step in self._steps:
            holders = [place for holder, at in holders for place in _places(holder[at], step)]
            if len(holders) > VALUES_MAX:
                raise TooManyValuesError(f"leads to more than {VALUES_MAX} values")
        for holder, at in holders:
            holder[at] = new
        return bool(holders)

    def may_name(self, field: str) -> bool:
        """Whether it may lead to this member of an object, or into it."""
        return not self._steps or self._steps[0] in (None, field)


def _places(value: Any, step: Step) -> Iterable[tuple[Any, Any]]:
    """Where `_members` finds what it finds."""
    if step is not None:
        return ((value, step),) if _members(value, step) else ()
    if isinstance(value, dict):
        return [(value, name) for name in value]
    return [(value, at) for at in range(len(value))] if isinstance(value, list) else ()


def _members(value: Any, step: Step) -> Iterable[Any]:
    if isinstance(step, str):
        return (value[step],) if isinstance(value, dict) and step in value else ()
    if isinstance(step, int):
        return (value[step],) if isinstance(value, list) and -len(value) <= step < len(value) else ()
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def compile_path(text: str) -> JsonPath:
    """Read a path. Raises PathError."""
    if len(text) > PATH_LENGTH_MAX:
        raise PathError(f"is longer than {PATH_LENGTH_MAX} characters")
    rest = text.removeprefix("$") if text.startswith("$") else _with_root(text)
    steps: list[Step] = []
    position = 0
    while position < len(rest):
        match = _STEP.match(rest, position)
        if match is None:
            at = len(text) - len(rest) + position
            raise PathError(f"cannot be read at character {max(at, 0) + 1}: expected .name, [0], ['name'] or [*]")
        steps.append(_step(match))
        position = match.end()
    if len(steps) > STEPS_MAX:
        raise PathError(f"has more than {STEPS_MAX} steps")
    return JsonPath(steps)


def _with_root(text: str) -> str:
    """A path without its `$`: `a.b` or `['a'].b`."""
    return f".{text}" if _BARE_NAME.match(text) else text or "?"


def _step(match: re.Match[str]) -> Step:
    if match["name"] is not None:
        return match["name"]
    if match["index"] is not None:
        return int(match["index"])
    if match["quoted"] is not None:
        return _unquoted(match["quoted"])
    return None


def _unquoted(quoted: str) -> str:
    """Either kind of quotes, with the escapes of JSON."""
    inner = quoted[1:-1]
    if quoted.startswith("'"):
        inner = re.sub(r"\\(.)|\"", lambda found: "'" if found[1] == "'" else f"\\{found[1] or chr(34)}", inner)
    try:
        name: str = json.loads(f'"{inner}"')
    except ValueError as error:
        raise PathError(f"has a name with a wrong escape: {quoted}") from error
    return name
