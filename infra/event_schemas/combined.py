"""Keywords that apply further schemas to the same value. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra.event_schemas.accepted import Accepted, Schema, accepted, target
from infra.event_schemas.differences import Check, Comparison, Difference, Place
from infra.json_values import same_value
from infra.requests.errors import SchemaError


def _all_of(comparison: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    for index, schema in enumerate(new["allOf"]):
        yield from comparison.compare(found.parts, schema, place.at("allOf", index))


def _reference(comparison: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    try:
        schema = target(new["$ref"], comparison.new_root)
    except SchemaError as error:
        yield place.difference(str(error), "$ref")
        return
    yield from comparison.compare(found.parts, schema, place.at("$ref"))


def _any_of(comparison: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    yield from _alternatives(comparison, found, new, place.at("anyOf"))


def _one_of(comparison: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    """Exactly one: the same as before, or alternatives of which no value can satisfy two."""
    at = place.at("oneOf")
    if _is_among(comparison, found, new, "oneOf"):
        return
    views = [accepted([schema], comparison.new_root) for schema in new["oneOf"]]
    overlapping = any(
        not _are_disjoint(comparison, one, other) for index, one in enumerate(views) for other in views[index + 1 :]
    )
    if overlapping:
        yield at.difference("cannot be shown to accept what the old version did: alternatives may overlap")
    else:
        yield from _alternatives(comparison, found, new, at)


def _alternatives(comparison: Comparison, found: Accepted, new: Schema, at: Place) -> Iterator[Difference]:
    keyword = str(at.path[-1])
    tried = [comparison.compare(found.parts, schema, at.at(index)) for index, schema in enumerate(new[keyword])]
    if all(tried):
        if len(tried) == 1:
            yield from tried[0]
        else:
            yield at.difference("no alternative accepts all that the old version did")


def _not(comparison: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    if _is_among(comparison, found, new, "not"):
        return
    refused = accepted([new["not"]], comparison.new_root)
    if not _are_disjoint(comparison, found, refused):
        yield place.difference("may refuse something that the old version accepted", "not")


def _if(comparison: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    """The same condition with the same consequences, or consequences that hold anyway."""
    keywords = ("if", "then", "else")
    rule = {name: new[name] for name in keywords if name in new}
    if any(comparison.is_same({name: part[name] for name in keywords if name in part}, rule) for part in found.parts):
        return
    for name in keywords[1:]:
        if name in new:
            yield from comparison.compare(found.parts, new[name], place.at(name))


def _schemas_with(comparison: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    for name, schema in new["dependentSchemas"].items():
        known = [given[name] for given in found.having("dependentSchemas") if name in given]
        old = [*found.parts, {"required": [name]}, *known]
        yield from comparison.compare(old, schema, place.at("dependentSchemas", name))


def _is_among(comparison: Comparison, found: Accepted, new: Schema, keyword: str) -> bool:
    return any(comparison.is_same({keyword: said}, {keyword: new[keyword]}) for said in found.having(keyword))


def _are_disjoint(comparison: Comparison, one: Accepted | None, other: Accepted | None) -> bool:
    """Whether no value can satisfy both, told by types, listed values, and those of a member that both require.

    `one` may be of the old document and `other` of the new one: only what needs no reference is looked at below.
    """
    if one is None or other is None or not one.types & other.types:
        return True
    if _values_differ(one, other):
        return True
    if one.types & other.types != {"object"}:
        return False
    return any(
        _values_differ(mine, others)
        for name in one.required() & other.required()
        if (mine := _plain(one.member(name))) is not None and (others := _plain(other.member(name))) is not None
    )


def _plain(schemas: list[Any]) -> Accepted | None:
    """As far as the schemas say it without references; None where they say that there is nothing."""
    return accepted([schema for schema in schemas if '"$ref"' not in json.dumps(schema)], {})


def _values_differ(one: Accepted, other: Accepted) -> bool:
    if one.values is None or other.values is None:
        return not one.types & other.types
    return not any(same_value(value, another) for value in one.values for another in other.values)


COMBINED: Mapping[str, Check] = {
    "allOf": _all_of,
    "$ref": _reference,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "if": _if,
    "dependentSchemas": _schemas_with,
}
