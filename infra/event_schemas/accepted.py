"""What a schema accepts of one value, as far as it can be told from the outside. Pure.

A schema is a conjunction: of its own keywords, of its `allOf` and of what it refers to. Each is a part. Whatever one
part says holds for every value that is accepted; what is not understood is left out, so that more seems to be accepted
than is, never less.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from infra.json_values import same_value
from infra.requests.errors import SchemaError
from infra.requests.validation import BodyValidator, compile_validator

Schema = dict[str, Any]

#: Types of JSON, numbers told apart by whether they are whole: `integer` is then a subset of `number`.
TYPES = frozenset({"null", "boolean", "object", "array", "string", "integer", "fraction"})
NUMBERS = frozenset({"integer", "fraction"})
_FEW = frozenset({"null", "boolean"})


@dataclass(frozen=True, slots=True)
class Accepted:
    """At most this. `values` are all there are, where they can be listed."""

    parts: tuple[Schema, ...]
    types: frozenset[str]
    values: tuple[Any, ...] | None

    def having(self, keyword: str) -> list[Any]:
        """What the parts say under `keyword`."""
        return [part[keyword] for part in self.parts if keyword in part]

    def required(self) -> frozenset[str]:
        """Members that are always there."""
        return frozenset(name for names in self.having("required") for name in names)

    def declared(self) -> frozenset[str]:
        """Members that some part names."""
        return frozenset(name for members in self.having("properties") for name in members)

    def member(self, name: str) -> list[Any]:
        """The schemas that a member of this name satisfies."""
        return [schema for part in self.parts for schema in _of_member(part, name)]

    def element(self, index: int) -> list[Any]:
        """The schemas that the element at `index` satisfies."""
        return [schema for part in self.parts for schema in _of_element(part, index)]

    def listed_elements(self) -> int:
        """How many elements have schemas of their own, at most; the others satisfy `having("items")`."""
        return max((len(listed) for listed in self.having("prefixItems")), default=0)


def accepted(schemas: Sequence[Any], root: Any) -> Accepted | None:
    """What satisfies all of `schemas`, whose references lead inside `root`; None: nothing does."""
    parts: list[Schema] = []
    if not _collect(schemas, root, parts, set()):
        return None
    types = TYPES
    for named in (part["type"] for part in parts if "type" in part):
        types &= types_of(named)
    values = _values(parts, types)
    if values is not None:
        types &= frozenset(type_of(value) for value in values)
    return Accepted(tuple(parts), types, values) if types else None


def types_of(named: str | Sequence[str]) -> frozenset[str]:
    """What the keyword `type` allows."""
    names = [named] if isinstance(named, str) else named
    return frozenset(one for name in names for one in (NUMBERS if name == "number" else (name,)))


def type_of(value: Any) -> str:
    """One of TYPES."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "integer" if isinstance(value, int) or value.is_integer() else "fraction"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text, as the validator of bodies sees it."""
    return not _pattern_validator(pattern).problems(text)


def satisfies(schema: Schema, value: Any) -> bool:
    """Whether a schema without references accepts the value. Raises SchemaError when it cannot be used by itself."""
    return not compile_validator(schema).problems(value)


def target(reference: Any, root: Any) -> Any:
    """What `#`, `#/a/b` or `#anchor` leads to. Raises SchemaError when that cannot be told."""
    fragment = unquote(reference.removeprefix("#")) if isinstance(reference, str) else "?"
    if fragment and not fragment.startswith("/"):
        raise SchemaError(f"the reference {str(reference)[:200]!r} is not a path")
    found = root
    for step in fragment.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            raise SchemaError(f"the reference {reference[:200]!r} leads nowhere")
    return found


@lru_cache(maxsize=256)
def _pattern_validator(pattern: str) -> BodyValidator:
    return compile_validator({"pattern": pattern})


def _collect(schemas: Sequence[Any], root: Any, parts: list[Schema], seen: set[int]) -> bool:
    """Add every part of `schemas`; False when one of them accepts nothing."""
    for schema in schemas:
        if schema is False:
            return False
        if not isinstance(schema, dict) or not schema or id(schema) in seen:
            continue
        seen.add(id(schema))
        parts.append(schema)
        further = list(schema.get("allOf", ()))
        if "$ref" in schema:
            further += _followed(schema["$ref"], root)
        if not _collect(further, root, parts, seen):
            return False
    return True


def _followed(reference: Any, root: Any) -> list[Any]:
    try:
        return [target(reference, root)]
    except SchemaError:
        return []


def _values(parts: Sequence[Schema], types: frozenset[str]) -> tuple[Any, ...] | None:
    lists = [part["enum"] for part in parts if "enum" in part]
    lists += [[part["const"]] for part in parts if "const" in part]
    if not lists:
        return tuple(value for value in (None, False, True) if type_of(value) in types) if types <= _FEW else None
    first, *others = lists
    return tuple(
        value
        for value in first
        if type_of(value) in types and all(any(same_value(value, one) for one in other) for other in others)
    )


def _of_member(part: Schema, name: str) -> Iterator[Any]:
    found = [schema for pattern, schema in part.get("patternProperties", {}).items() if matches(pattern, name)]
    if name in part.get("properties", {}):
        found.append(part["properties"][name])
    if not found and "additionalProperties" in part:
        found.append(part["additionalProperties"])
    yield from found


def _of_element(part: Schema, index: int) -> Iterator[Any]:
    listed = part.get("prefixItems", [])
    if index < len(listed):
        yield listed[index]
    elif "items" in part:
        yield part["items"]
