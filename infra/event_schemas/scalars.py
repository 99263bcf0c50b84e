"""Keywords that hold no schemas: each has to follow from what the old version says. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from infra.event_schemas.accepted import NUMBERS, Accepted, Schema, types_of
from infra.event_schemas.differences import Check, Comparison, Difference, Place

_TEXT, _OBJECT, _ARRAY = frozenset({"string"}), frozenset({"object"}), frozenset({"array"})
#: Types of the values that a keyword says something about.
APPLIES_TO: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), NUMBERS),
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format"), _TEXT),
    **dict.fromkeys(("minItems", "maxItems", "uniqueItems", "items", "prefixItems", "contains"), _ARRAY),
    **dict.fromkeys(("minProperties", "maxProperties", "required", "dependentRequired", "dependentSchemas"), _OBJECT),
    **dict.fromkeys(("properties", "patternProperties", "additionalProperties", "propertyNames"), _OBJECT),
}


def _type(_: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    lost = found.types - types_of(new["type"])
    names = lost - NUMBERS
    if "fraction" in lost:
        names |= {"number"} if "integer" in lost else {"numbers that are not whole"}
    elif "integer" in lost:
        names |= {"integer"}
    if names:
        yield place.difference(f"no longer accepts {_listed(names)}", "type")


def _listed_values(keyword: str) -> Check:
    """`enum` and `const` where the old version's values cannot be listed."""

    def check(_: Comparison, __: Accepted, ___: Schema, place: Place) -> Iterator[Difference]:
        yield place.difference("accepts fewer values: the old version did not list those it accepted", keyword)

    return check


def _bound(keyword: str, follows: Callable[[Any, Sequence[Any]], bool], change: str) -> Check:
    def check(_: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
        before = found.having(keyword)
        if not follows(new[keyword], before):
            was = f"was {_listed(before)}" if before else "had no bound"
            yield place.difference(f"is {new[keyword]} and {was}: it may only be {change} or removed", keyword)

    return check


def _least(limit: Any, before: Sequence[Any]) -> bool:
    return limit <= 0 or any(bound >= limit for bound in before)


def _most(limit: Any, before: Sequence[Any]) -> bool:
    return any(bound <= limit for bound in before)


def _limit(keyword: str, strict: str, *, is_upper: bool) -> Check:
    """`minimum` and its like: a bound of either kind, strict or not, may imply it."""

    def check(_: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
        sign = -1 if is_upper else 1
        limit = sign * new[keyword]
        other = "exclusive" + strict if not keyword.startswith("exclusive") else strict.lower()
        same_kind = any(sign * bound >= limit for bound in found.having(keyword))
        is_strict = keyword.startswith("exclusive")
        other_kind = any(
            sign * bound > limit or (not is_strict and sign * bound == limit) for bound in found.having(other)
        )
        if not same_kind and not other_kind:
            change = "raised" if is_upper else "lowered"
            yield place.difference(
                f"is {new[keyword]}, more than the old version asked for: it may be {change}", keyword
            )

    return check


def _multiple(_: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    wanted = new["multipleOf"]
    before = found.having("multipleOf")
    if wanted == 1 and "fraction" not in found.types:
        return
    whole = [one for one in before if isinstance(one, int) and isinstance(wanted, int)]
    if wanted not in before and not any(one % wanted == 0 for one in whole):
        yield place.difference(f"asks for multiples of {wanted}, which the old version did not", "multipleOf")


def _kept(keyword: str) -> Check:
    """`pattern` and `format`: two of them cannot be compared but for being the same."""

    def check(_: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
        if new[keyword] not in found.having(keyword):
            yield place.difference(f"{new[keyword]!r} is new: it may only stay as it was or be removed", keyword)

    return check


def _unique(_: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    if new["uniqueItems"] and True not in found.having("uniqueItems") and not _most(1, found.having("maxItems")):
        yield place.difference("elements have to differ, which the old version did not ask for", "uniqueItems")


def _required(_: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    for name in new["required"]:
        if name not in found.required():
            yield place.difference(f"{name!r} is required, which the old version did not ask for", "required")


def _least_members(comparison: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    if len(found.required()) < new["minProperties"]:
        yield from _bound("minProperties", _least, "lowered")(comparison, found, new, place)


def _required_with(_: Comparison, found: Accepted, new: Schema, place: Place) -> Iterator[Difference]:
    for name, others in new["dependentRequired"].items():
        given = {one for known in found.having("dependentRequired") for one in known.get(name, ())}
        missing = sorted(set(others) - given - found.required() - {name})
        if missing:
            message = f"{_listed(missing)} is required beside it, which the old version did not ask for"
            yield place.difference(message, "dependentRequired", name)


def _listed(values: Any) -> str:
    return ", ".join(sorted(str(value) for value in values))


SCALARS: Mapping[str, Check] = {
    "type": _type,
    "enum": _listed_values("enum"),
    "const": _listed_values("const"),
    "minimum": _limit("minimum", "Minimum", is_upper=False),
    "exclusiveMinimum": _limit("exclusiveMinimum", "Minimum", is_upper=False),
    "maximum": _limit("maximum", "Maximum", is_upper=True),
    "exclusiveMaximum": _limit("exclusiveMaximum", "Maximum", is_upper=True),
    "multipleOf": _multiple,
    "minLength": _bound("minLength", _least, "lowered"),
    "maxLength": _bound("maxLength", _most, "raised"),
    "pattern": _kept("pattern"),
    "format": _kept("format"),
    "minItems": _bound("minItems", _least, "lowered"),
    "maxItems": _bound("maxItems", _most, "raised"),
    "uniqueItems": _unique,
    "minProperties": _least_members,
    "maxProperties": _bound("maxProperties", _most, "raised"),
    "required": _required,
    "dependentRequired": _required_with,
}
