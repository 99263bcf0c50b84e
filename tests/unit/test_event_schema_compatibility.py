"""Whether a new version of a schema accepts all that the old one did: never a guess, and seen where it is plain."""

import random
from contextlib import suppress
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.event_schemas.checks import find_problems
from infra.event_schemas.compatibility import find_differences
from tests.support.json_schemas import changed_schema, random_document, random_schema, random_value

NODE = {"type": "object", "properties": {"next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}}}
ALERT = {"type": "object", "properties": {"kind": {"const": "alert"}}, "required": ["kind"]}
CHECK = {"type": "object", "properties": {"kind": {"const": "check"}}, "required": ["kind"]}
CLOSED = {"properties": {"id": {"type": "string"}}, "additionalProperties": False}

COMPATIBLE: list[tuple[str, Any, Any]] = [
    ("nothing changed", {"type": "string"}, {"type": "string"}),
    ("words for people", {"type": "string"}, {"type": "string", "title": "Name", "x-owner": "ops", "default": ""}),
    ("a wider type", {"type": "integer"}, {"type": "number"}),
    ("one more type", {"type": "string"}, {"type": ["string", "null"]}),
    ("types as alternatives", {"type": ["string", "null"]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    ("one more alternative", {"anyOf": [ALERT]}, {"anyOf": [{"type": "null"}, ALERT]}),
    ("one more kind of a union", {"oneOf": [ALERT]}, {"oneOf": [ALERT, CHECK]}),
    ("an enum that grew", {"enum": ["a", 1]}, {"enum": ["a", "b", 1.0]}),
    ("an enum that became a type", {"enum": ["a", "b"]}, {"type": "string", "maxLength": 3}),
    ("a constant", {"const": 3}, {"type": "integer", "minimum": 3}),
    ("values among alternatives", {"enum": ["a", 1]}, {"anyOf": [{"type": "string"}, {"minimum": 1}]}),
    ("less required", {"required": ["a", "b"]}, {"required": ["b"]}),
    ("a new member where none could be", CLOSED, CLOSED | {"properties": {"id": {}, "more": {"type": "integer"}}}),
    ("a closed object opened", CLOSED, {"properties": {"id": {"type": ["string", "null"]}}}),
    (
        "a member behind a pattern",
        {"patternProperties": {"^x-": {"type": "string"}}},
        {"properties": {"x-a": {"type": "string"}}},
    ),
    ("bounds loosened", {"minLength": 2, "maxLength": 4}, {"minLength": 1, "maxLength": 9}),
    ("a bound of the other kind", {"type": "number", "exclusiveMinimum": 1}, {"minimum": 1}),
    ("a multiple of a multiple", {"multipleOf": 6}, {"multipleOf": 3}),
    ("rules for other types", {"type": "integer"}, {"pattern": "^a", "required": ["a"], "items": {"type": "null"}}),
    ("a pattern removed", {"pattern": "^a", "format": "date"}, {}),
    ("elements loosened", {"items": {"type": "integer"}, "maxItems": 3}, {"items": {"type": "number"}}),
    ("listed elements", {"prefixItems": [{"type": "string"}], "items": False}, {"items": {"type": "string"}}),
    ("fewer of a kind", {"contains": {"const": 1}, "minContains": 2}, {"contains": {"type": "integer"}}),
    ("moved into a definition", {"type": "string"}, {"$ref": "#/$defs/text", "$defs": {"text": {"type": "string"}}}),
    ("split into parts", {"type": "string", "minLength": 1}, {"allOf": [{"type": "string"}, {"minLength": 1}]}),
    (
        "a schema of itself",
        {"$ref": "#/$defs/node", "$defs": {"node": NODE}},
        {
            "$ref": "#/$defs/other",
            "$defs": {"other": {"properties": {"next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/other"}]}}}},
        },
    ),
    ("consequences that hold anyway", {"required": ["a"]}, {"if": {"required": ["b"]}, "then": {"required": ["a"]}}),
    (
        "a condition that stays",
        {"if": {"minimum": 0}, "then": {"maximum": 9}, "type": "integer"},
        {"if": {"minimum": 0}, "then": {"maximum": 9}},
    ),
    (
        "either consequence",
        {"if": {"required": ["a"]}, "then": {"required": ["c"]}, "else": {"required": ["c", "d"]}},
        {"required": ["c"]},
    ),
    ("a refusal of what never was", {"type": "integer"}, {"not": {"type": "string"}}),
    ("names of a closed object", CLOSED, {"propertyNames": {"maxLength": 2}}),
    ("required beside", {"dependentRequired": {"a": ["b", "c"]}}, {"dependentRequired": {"a": ["b"]}}),
    (
        "a schema beside",
        {"dependentSchemas": {"a": {"required": ["b"]}}},
        {
            "dependentSchemas": {"a": {"required": ["b"]}},
            "type": ["object", "null", "string", "number", "array", "boolean"],
        },
    ),
    ("nothing was ever accepted", {"type": "string", "enum": [1]}, {"type": "null"}),
    ("anything is accepted now", {"type": "string"}, True),
]

INCOMPATIBLE: list[tuple[str, Any, Any, str, Any]] = [
    ("a narrower type", {"type": "number"}, {"type": "integer"}, "type", 0.5),
    ("a type where there was none", {}, {"type": "object"}, "type", 1),
    ("more required", {}, {"required": ["a"]}, "required", {}),
    ("an enum that shrank", {"enum": ["a", "b"]}, {"enum": ["a"]}, "", "b"),
    ("an enum where there was none", {"type": "string"}, {"enum": ["a"]}, "enum", "b"),
    ("a new member that could be anything", {}, {"properties": {"a": {"type": "string"}}}, "properties.a", {"a": 1}),
    (
        "a member deep inside",
        {"properties": {"a": {"properties": {"b": {}}}}},
        {"properties": {"a": {"properties": {"b": {"minimum": 1}}}}},
        "properties.a.properties.b.minimum",
        {"a": {"b": 0}},
    ),
    (
        "an object closed",
        {"properties": {"a": {}}},
        {"properties": {"a": {}}, "additionalProperties": False},
        "additionalProperties",
        {"b": 1},
    ),
    (
        "a member taken away from a closed object",
        CLOSED,
        {"additionalProperties": False},
        "additionalProperties",
        {"id": ""},
    ),
    (
        "others tightened",
        {"additionalProperties": {"type": "integer"}},
        {"additionalProperties": {"minimum": 0, "type": "integer"}},
        "additionalProperties.minimum",
        {"a": -1},
    ),
    (
        "a pattern for members",
        {"additionalProperties": {"type": "integer"}},
        {"patternProperties": {"^a": {"type": "string"}}},
        "patternProperties.^a.type",
        {"a": 1},
    ),
    ("a bound raised", {"minLength": 1}, {"minLength": 2}, "minLength", "a"),
    ("a bound lowered", {"maximum": 5}, {"maximum": 4}, "maximum", 5),
    ("a bound made strict", {"type": "number", "minimum": 1}, {"exclusiveMinimum": 1}, "exclusiveMinimum", 1),
    ("another pattern", {"pattern": "^a"}, {"pattern": "^ab"}, "pattern", "ac"),
    ("elements tightened", {"items": {"type": "number"}}, {"items": {"type": "integer"}}, "items.type", [0.5]),
    ("more elements listed", {}, {"prefixItems": [{"type": "null"}]}, "prefixItems.0.type", [1]),
    ("elements have to differ", {}, {"uniqueItems": True}, "uniqueItems", [1, 1]),
    ("elements of a kind asked for", {}, {"contains": {"const": 1}}, "contains", []),
    (
        "an alternative taken away",
        {"anyOf": [ALERT, CHECK]},
        {"anyOf": [ALERT]},
        "anyOf.0.properties.kind",
        {"kind": "check"},
    ),
    ("alternatives that overlap", {"type": "integer"}, {"oneOf": [{"minimum": 0}, {"maximum": 9}]}, "oneOf", 5),
    ("a refusal", {}, {"not": {"const": 1}}, "not", 1),
    ("a consequence", {}, {"if": {"required": ["a"]}, "then": {"required": ["b"]}}, "then.required", {"a": 1}),
    (
        "a definition changed",
        {"$ref": "#/$defs/a", "$defs": {"a": {}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}},
        "$ref.type",
        1,
    ),
    ("nothing is accepted", {"type": "string"}, False, "", ""),
    (
        "what others leave out",
        {"properties": {"a": {}}},
        {"properties": {"a": {}}, "unevaluatedProperties": False},
        "unevaluatedProperties",
        {"b": 1},
    ),
]


def _name(case: tuple[Any, ...]) -> str:
    return str(case[0]).replace(" ", "_")


@pytest.mark.parametrize("case", COMPATIBLE, ids=_name)
def test_a_version_that_plainly_accepts_more_is_compatible(case: tuple[str, Any, Any]) -> None:
    _, old, new = case
    assert find_differences(old, new) == []


@pytest.mark.parametrize("case", INCOMPATIBLE, ids=_name)
def test_a_version_that_refuses_something_is_not_and_the_difference_says_where(
    case: tuple[str, Any, Any, str, Any],
) -> None:
    _, old, new, path, refused = case
    assert _accepts(old, refused)
    assert not _accepts(new, refused)
    assert path in {".".join(map(str, difference.path)) for difference in find_differences(old, new)}


def test_a_change_of_format_needs_to_be_meant_although_bodies_are_taken_without_it() -> None:
    [difference] = find_differences({"type": "string"}, {"type": "string", "format": "date-time"})
    assert difference.path == ("format",)


def test_every_difference_comes_at_once() -> None:
    old = {"properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
    new = {"properties": {"a": {"type": "null"}, "b": {"type": "integer", "minimum": 1}}, "required": ["a"]}
    assert {difference.path for difference in find_differences(old, new)} == {
        *(("properties", "a", "type"), ("properties", "b", "minimum"), ("required",))
    }


def test_what_is_too_large_to_compare_is_not_called_compatible() -> None:
    old = {"anyOf": [{"enum": [number], "type": "integer"} for number in range(300)]}
    new = {"anyOf": [{"allOf": [{"minimum": number, "maximum": number}]} for number in range(300)]}
    [difference] = find_differences(old, new)
    assert "too large" in difference.message


def test_a_schema_that_refers_to_itself_without_end_proves_nothing() -> None:
    circle = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
    assert find_differences({"type": "string"}, circle) != []


def _accepts(schema: Any, value: Any) -> bool:
    return bool(jsonschema_rs.Draft202012Validator(schema).is_valid(value))


def _judge(chance: random.Random) -> tuple[bool, int]:
    """One random pair: whether it was called compatible, and on how many values that was tried. Raises if wrong."""
    old = random_document(chance)
    new = changed_schema(chance, old, 3) if chance.random() < 0.8 else random_document(chance)
    if chance.random() < 0.5:
        new = changed_schema(chance, new, 3)
    if not isinstance(new, dict) or find_problems(old) or find_problems(new) or find_differences(old, new):
        return False, 0
    old_validator, new_validator = (jsonschema_rs.Draft202012Validator(schema) for schema in (old, new))
    tried = 0
    for _ in range(60):
        value = random_value(chance, 3)
        if old_validator.is_valid(value):
            tried += 1
            assert new_validator.is_valid(value), (old, new, value)
    return True, tried


@settings(max_examples=400, deadline=None)
@given(st.integers(min_value=0))
def test_what_the_old_version_accepts_a_compatible_one_accepts(seed: int) -> None:
    _judge(random.Random(seed))


def test_the_random_pairs_are_of_a_kind_that_shows_something() -> None:
    judged = [_judge(random.Random(seed)) for seed in range(600)]
    assert sum(is_compatible and tried > 5 for is_compatible, tried in judged) > 60
    assert sum(not is_compatible for is_compatible, _ in judged) > 60


def test_a_second_opinion_never_proves_the_first_wrong() -> None:
    """The validator's own `covers` decides by other means: where it says no, we must not have said yes."""
    asked = 0
    for seed in range(300):
        chance = random.Random(seed)
        old, new = random_schema(chance, 2), random_schema(chance, 2)
        if chance.random() < 0.7:
            new = changed_schema(chance, old, 2)
        if "$ref" in f"{old}{new}" or find_differences(old, new):
            continue
        with suppress(jsonschema_rs.canonical.UnsupportedOperand):
            opinion = jsonschema_rs.canonicalize(new).covers(jsonschema_rs.canonicalize(old))
            assert str(opinion) != "no", (old, new)
            asked += 1
    assert asked > 50
