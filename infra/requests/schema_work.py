"""How much work a JSON Schema may make of one value of a body. Pure.

Alternatives that refer to each other multiply: thirty definitions of two references each would be looked at a thousand
million times. So the evaluations along the deepest chain of members are counted before a schema is used, and one that
may take too many is refused. References lead inside the schema only.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any
from urllib.parse import unquote

from infra.requests.errors import SchemaError

WORK_MAX = 100_000
#: Levels of a body that are counted; deeper ones are not validated (`infra.requests.validation`).
DEPTH_MAX = 32
#: Schemas that lead from one to the next, along references and members together.
CHAIN_MAX = 300
#: Keywords whose schemas are applied to the same value, by the shape of what they hold.
_IN_PLACE = ("not", "if", "then", "else")
_IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
_IN_PLACE_MAPS = ("dependentSchemas",)
#: Keywords whose schemas are applied to members: of a name only one of the first applies, of the others all may.
_ONE_PER_MEMBER = ("properties",)
_MEMBERS = ("additionalProperties", "unevaluatedProperties", "propertyNames", "items", "contains", "unevaluatedItems")
_MEMBER_MAPS = ("patternProperties",)
_MEMBER_LISTS = ("prefixItems",)
_REFERENCES = ("$ref", "$dynamicRef")


def check_work(schema: Any) -> None:
    """Raises SchemaError when `schema` may take more than WORK_MAX evaluations, or refers to something outside."""
    _Work(schema).of(schema, DEPTH_MAX)


class _Work:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[tuple[int, int], int] = {}
        self._chain = 0
        self._anchors = {name: found for found in _schemas(root) for name in _anchors(found)}

    def of(self, schema: Any, depth: int) -> int:
        """Evaluations of `schema` against a value and the chain of members below it, at most."""
        if not isinstance(schema, dict):
            return 1
        key = id(schema), depth
        if key in self._known:
            return self._known[key]
        self._chain += 1
        if self._chain > CHAIN_MAX:
            raise SchemaError("its schemas refer to each other in too long a chain")
        self._known[key] = 0  # met again on its way: the validator, too, ends such a circle
        work = 1
        for part in self._in_place(schema):
            work += self.of(part, depth)
        if depth:
            work += self._of_members(schema, depth - 1)
        if work > WORK_MAX:
            raise SchemaError("its alternatives refer to each other so often that a small body would take minutes")
        self._known[key] = work
        self._chain -= 1
        return work

    def _of_members(self, schema: dict[str, Any], depth: int) -> int:
        named = listed = others = 0
        for part in _values(schema, _ONE_PER_MEMBER):
            named = max(named, self.of(part, depth))
        for part in _lists(schema, _MEMBER_LISTS):
            listed = max(listed, self.of(part, depth))
        for part in chain((schema[name] for name in _MEMBERS if name in schema), _values(schema, _MEMBER_MAPS)):
            others += self.of(part, depth)
        return named + listed + others

    def _in_place(self, schema: dict[str, Any]) -> Iterator[Any]:
        yield from (schema[name] for name in _IN_PLACE if name in schema)
        yield from _lists(schema, _IN_PLACE_LISTS)
        yield from _values(schema, _IN_PLACE_MAPS)
        yield from (self._target(schema[name]) for name in _REFERENCES if name in schema)

    def _target(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise SchemaError(f"the reference {str(reference)[:200]!r} leads outside the schema")
        fragment = unquote(reference[1:])
        if fragment and not fragment.startswith("/"):
            return self._anchors.get(fragment)
        found = self._root
        for step in fragment.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list):
                found = found[int(name)] if name.isdecimal() and int(name) < len(found) else None
            else:
                found = found.get(name) if isinstance(found, dict) else None
        return found


def _schemas(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield found
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)


def _anchors(schema: dict[str, Any]) -> Iterator[str]:
    yield from (name for key in ("$anchor", "$dynamicAnchor") if isinstance(name := schema.get(key), str))


def _lists(schema: dict[str, Any], names: tuple[str, ...]) -> Iterator[Any]:
    for name in names:
        found = schema.get(name)
        if isinstance(found, list):
            yield from found


def _values(schema: dict[str, Any], names: tuple[str, ...]) -> Iterator[Any]:
    for name in names:
        found = schema.get(name)
        if isinstance(found, dict):
            yield from found.values()
