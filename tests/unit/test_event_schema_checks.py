"""Schemas that tenants declare: which are refused, with every problem and its path."""

from typing import Any

import pytest

from infra.event_schemas.checks import DEPTH_MAX, DIALECT, SCHEMA_BYTES_MAX, find_problems


def _paths(json_schema: dict[str, Any]) -> list[str]:
    return [".".join(map(str, problem.path)) for problem in find_problems(json_schema)]


def _nested(depth: int) -> dict[str, Any]:
    return {"not": _nested(depth - 1)} if depth else {}


@pytest.mark.parametrize(
    "json_schema",
    [
        {},
        {"$schema": DIALECT, "$id": "https://acme.example/alert", "type": "object", "required": ["id"]},
        {"$defs": {"host": {"$anchor": "host", "type": "string"}}, "properties": {"host": {"$ref": "#host"}}},
        {"type": "object", "properties": {"next": {"$ref": "#"}, "a~b/c": {}, "d": {"$ref": "#/properties/a~0b~1c"}}},
        {"pattern": "^(a+)+$", "patternProperties": {"^x-": True}, "x-note": {"$ref": "https://elsewhere.example"}},
        {"enum": [{"$ref": "https://elsewhere.example", "pattern": "("}]},
        _nested(DEPTH_MAX - 1),
    ],
)
def test_a_schema_that_keeps_to_itself_has_no_problems(json_schema: dict[str, Any]) -> None:
    assert find_problems(json_schema) == []


def test_everything_that_breaks_the_standard_is_named_at_once() -> None:
    json_schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "text",
        "properties": {"id": {"minLength": -1, "enum": "no list"}},
        "allOf": [{"required": ["id", "id"]}],
    }
    assert sorted(_paths(json_schema)) == [
        *("$schema", "allOf.0.required", "properties.id.enum", "properties.id.minLength", "type")
    ]


def test_everything_that_leads_outside_or_cannot_be_matched_in_time_is_named_at_once() -> None:
    json_schema = {
        "$defs": {"remote": {"$ref": "https://elsewhere.example/s"}, "other": {"$id": "urn:other"}},
        "properties": {"a": {"pattern": "(?=a)"}, "b": {"$ref": "#/$defs/none"}, "c": {"$dynamicRef": "file:///x"}},
        "patternProperties": {r"(a)\1": {}},
        "anyOf": [{"$ref": "#/properties"}, {"$ref": "#none"}],
    }
    assert sorted(_paths(json_schema)) == [
        *("$defs.other.$id", "$defs.remote.$ref", "anyOf.0.$ref", "anyOf.1.$ref", r"patternProperties.(a)\1"),
        *("properties.a.pattern", "properties.b.$ref", "properties.c.$dynamicRef"),
    ]


@pytest.mark.parametrize(
    ("json_schema", "said"),
    [
        ({"description": "x" * SCHEMA_BYTES_MAX}, f"{SCHEMA_BYTES_MAX} are allowed"),
        (_nested(DEPTH_MAX), f"more than {DEPTH_MAX} deep"),
        (
            {"$ref": "#/$defs/d0", "$defs": {"d30": {}}}
            | {"$defs": {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)} | {"d30": {}}},
            "minutes",
        ),
        ({"const": "\ud800"}, "surrogates"),
    ],
)
def test_what_would_cost_too_much_is_refused(json_schema: dict[str, Any], said: str) -> None:
    [problem] = find_problems(json_schema)
    assert problem.path == ()
    assert said in problem.message
