"""Bodies against JSON Schemas: what is said of a body, and which schemas are refused before they do harm."""

from typing import Any

import pytest

from infra.requests.errors import SchemaError
from infra.requests.validation import PROBLEM_LENGTH_MAX, PROBLEMS_MAX, compile_validator
from schemas.event_types import core_event_types

ALERT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string"},
        "severity": {"enum": ["low", "high"]},
        "a/b": {"type": "array", "items": {"type": "integer"}},
        "host": {"pattern": "^[a-z]+$"},
    },
}


@pytest.mark.parametrize("body", [{"id": "a-1"}, {"id": "a-1", "a/b": [1, 2.0], "host": "dc", "more": None}])
def test_a_body_that_fits_has_no_problems(body: Any) -> None:
    assert compile_validator(ALERT).problems(body) == []


def test_every_problem_names_its_place_and_none_shows_the_value() -> None:
    body = {"severity": "planted", "a/b": [1, "planted"], "host": "Planted"}
    problems = compile_validator(ALERT).problems(body)
    assert sorted(problem.partition(": ")[0] for problem in problems) == ["/a~1b/1", "/host", "/severity", "the body"]
    assert '"id" is a required property' in str(problems)
    assert "lanted" not in str(problems)


def test_problems_are_bounded_in_number_and_length() -> None:
    strict = compile_validator({"items": {"type": "integer"}, "additionalProperties": False})
    assert len(strict.problems(["x"] * 500)) == PROBLEMS_MAX
    assert len(strict.problems(["x"] * 100_000)) == 1, "a large body is left at the first problem"
    [problem] = strict.problems({f"name {number}": 1 for number in range(500)})
    assert len(problem) <= PROBLEM_LENGTH_MAX


def test_a_body_nested_too_deep_is_a_problem() -> None:
    body: Any = 1
    for _ in range(33):
        body = [body]
    assert compile_validator(True).problems(body) == ["the body is nested more than 32 deep"]
    assert compile_validator(True).problems(body[0]) == []


@pytest.mark.parametrize("body", [10**40, "\ud800", {"a": float(10**300)}])
def test_values_that_few_parsers_know_are_no_errors(body: Any) -> None:
    assert isinstance(compile_validator({"type": "object"}).problems(body), list)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ([], "object"),
        ({"type": "nonsense"}, "/type"),
        ({"minimum": "x"}, "/minimum"),
        ({"$ref": "http://example.com/schema"}, "outside"),
        ({"properties": {"a": {"$ref": "other.json"}}}, "outside"),
        ({"$ref": "#/$defs/missing"}, "missing"),
        ({"pattern": "(?=a)b"}, "/pattern"),
        ({"pattern": "(a)\\1"}, "/pattern"),
        ({"pattern": "(a{1000}){1000}"}, "/pattern"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "2020-12"),
        ({"description": "x" * 300_000}, "larger"),
        ({"pattern": "\ud800"}, "cannot be read"),
    ],
    ids=str,
)
def test_schemas_that_cannot_be_used_are_refused_with_the_cause(schema: Any, said: str) -> None:
    with pytest.raises(SchemaError, match=said) as refused:
        compile_validator(schema)
    assert len(str(refused.value)) <= PROBLEM_LENGTH_MAX


def _doubling(levels: int) -> dict[str, Any]:
    both = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": both | {f"d{levels}": {"type": "object"}}}


def _recursive(alternatives: int) -> dict[str, Any]:
    return {"anyOf": [{"properties": {"a": {"$ref": "#"}}, "required": [str(n)]} for n in range(alternatives)]}


@pytest.mark.parametrize("schema", [_doubling(40), _recursive(2)], ids=["doubling", "recursive"])
def test_schemas_that_multiply_their_own_work_are_refused(schema: Any) -> None:
    with pytest.raises(SchemaError, match="minutes"):
        compile_validator(schema)


def test_a_chain_of_references_without_end_is_refused() -> None:
    chain = {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(400)} | {"d400": {}}
    with pytest.raises(SchemaError, match="chain"):
        compile_validator({"$ref": "#/$defs/d0", "$defs": chain})


TREE = {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "value": {"type": "integer"}}}
LIST_OF_TREES = {
    "$anchor": "list",
    "items": {"properties": {"children": {"$ref": "#list"}, "kind": {"type": "string"}}},
}


EXPRESSION = {
    "$ref": "#/$defs/expression",
    "$defs": {
        "expression": {"anyOf": [{"$ref": "#/$defs/value"}, {"allOf": [{"$ref": "#/$defs/operation"}]}]},
        "operation": {"properties": {"arguments": {"type": "array", "items": {"$ref": "#/$defs/expression"}}}},
        "value": {"type": "number"},
    },
}


@pytest.mark.parametrize("schema", [_doubling(8), _recursive(1), TREE, LIST_OF_TREES, EXPRESSION, {"$ref": "#"}, True])
def test_schemas_that_refer_to_themselves_in_an_ordinary_way_are_taken(schema: Any) -> None:
    assert compile_validator(schema).problems({"left": {"right": {"value": 1}}, "0": 1}) == []


def test_a_recursive_schema_is_held_at_every_level() -> None:
    assert compile_validator(TREE).problems({"left": {"right": {"value": "x"}}}) != []
    assert compile_validator(LIST_OF_TREES).problems([{"children": [{"kind": 1}]}]) != []


def test_every_event_type_of_hooklines_own_can_be_held_against_bodies() -> None:
    for versions in core_event_types().values():
        for event_type in versions:
            assert compile_validator(event_type.json_schema).problems("not an event") != []
