"""Keywords about members of objects and elements of arrays. Pure."""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from infra.event_schemas.accepted import Accepted, Schema, matches
from infra.event_schemas.differences import Check, Comparison, Difference, Place


def _properties(comparison: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    for name, schema in new["properties"].items():
        at, before = place.below("properties", name), found.member(name)
        differences = comparison.compare(before, schema, at)
        if differences and not before:
            yield at.difference("could be anything in the old version, which did not declare it")
        else:
            yield from differences


def _by_pattern(comparison: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    for pattern, schema in new["patternProperties"].items():
        at = place.below("patternProperties", pattern)
        for name in sorted(found.declared()):
            if matches(pattern, name):
                yield from _named(name, comparison.compare(found.member(name), schema, at))
        said = [_of_matching(part, pattern) for part in found.parts or ({},)]
        yield from _least(comparison, said, schema, at)


def _additional(comparison: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    schema, at = new["additionalProperties"], place.below("additionalProperties")
    patterns = new.get("patternProperties", {})
    for name in sorted(found.declared() - new.get("properties", {}).keys()):
        if not any(matches(pattern, name) for pattern in patterns):
            yield from _named(name, comparison.compare(found.member(name), schema, at))
    said = [_of_undeclared(part, patterns) for part in found.parts or ({},)]
    yield from _least(comparison, said, schema, at)


def _least(comparison: Comparison, said: Sequence[Sequence[Any]], schema: Any, at: Place) -> Iterator[Difference]:
    """Members that no part names satisfy, of what each part has to say, at least one schema: all must be good."""
    candidates = [[one for other in each for one in comparison.compare([other], schema, at)] for each in said]
    yield from min(candidates, key=len)


def _of_matching(part: Schema, pattern: str) -> list[Any]:
    """What a part may say of a member whose name matches `pattern`."""
    own = part.get("patternProperties", {})
    return [own[pattern]] if pattern in own else [*own.values(), part.get("additionalProperties", True)]


def _of_undeclared(part: Schema, patterns: Container[str]) -> list[Any]:
    """What a part may say of a member whose name matches none of `patterns`."""
    own = part.get("patternProperties", {})
    others = [schema for pattern, schema in own.items() if pattern not in patterns]
    return [*others, part.get("additionalProperties", True)]


def _named(name: str, differences: Sequence[Difference]) -> Iterator[Difference]:
    for difference in differences:
        yield difference._replace(message=f"{name!r}: {difference.message}")


def _names(comparison: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    closed = [part for part in found.parts if part.get("additionalProperties") is False]
    lists = [{"enum": list(part.get("properties", ()))} for part in closed if not part.get("patternProperties")]
    given = [*found.having("propertyNames"), *lists, {"type": "string"}]
    yield from comparison.compare(given, new["propertyNames"], place.below("propertyNames"))


def _listed_elements(comparison: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    for index, schema in enumerate(new["prefixItems"]):
        yield from comparison.compare(found.element(index), schema, place.below("prefixItems", index))


def _elements(comparison: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    at = place.below("items")
    first = len(new.get("prefixItems", ()))
    for index in range(first, found.listed_elements()):
        yield from comparison.compare(found.element(index), new["items"], at)
    yield from comparison.compare(found.having("items"), new["items"], at)


def _contains(comparison: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    """At least and at most so many elements of a kind."""
    least, most = new.get("minContains", 1), new.get("maxContains")
    parts = [part for part in found.parts if "contains" in part]
    at = place.below("contains")
    if least and not any(
        part.get("minContains", 1) >= least and not comparison.compare([part["contains"]], new["contains"], at)
        for part in parts
    ):
        yield at.difference(f"{least} such elements are asked for, which the old version did not")
    if most is not None and not any(
        part.get("maxContains", most + 1) <= most and comparison.is_same(part["contains"], new["contains"])
        for part in parts
    ):
        yield place.difference("cannot be shown to accept as many such elements as the old version", "maxContains")


MEMBERS: Mapping[str, Check] = {
    "properties": _properties,
    "patternProperties": _by_pattern,
    "additionalProperties": _additional,
    "propertyNames": _names,
    "prefixItems": _listed_elements,
    "items": _elements,
    "contains": _contains,
}
