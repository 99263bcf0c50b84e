"""What filters let through, what stops a request, and every problem of a document at once."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.requests.errors import FilterError, RecordRefusedError
from infra.requests.filters import StoppedBy, compile_filters
from infra.requests.operators import OPERATORS

NOW_MS = 1_700_000_000_000
HEADERS = {"x-event": "alert.opened", "content-type": "application/json"}
BODY = {
    "data": {"status": "open", "count": 5, "ratio": 0.5, "on": True, "nothing": None, "tags": ["a", "b", 3]},
    "items": [{"id": 1, "kind": "disk"}, {"id": 2, "kind": "cpu"}],
    "the name": {"it's": "quoted", 'a "b"': "too"},
    "when": "2024-05-01T10:00:00Z",
    "digits": "5",
}


def stopped_by(document: Mapping[str, Any], body: Any = BODY, headers: Mapping[str, str] = HEADERS) -> StoppedBy | None:
    return compile_filters(document).stopped_by(body, headers, now_ms=NOW_MS)


def holds(field: str, operator: str, *value: Any) -> bool:
    return stopped_by({"all": [_rule(field, operator, *value)]}) is None


def _rule(field: str, operator: str, *value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator} | ({"value": value[0]} if value else {})


def problems(document: Any) -> dict[str, str]:
    with pytest.raises(FilterError) as refused:
        compile_filters(document)
    return dict(refused.value.problems)


HOLDING = [
    ("$.data.status", "equals", "open"),
    ("data.status", "equals", "open"),
    ("$['data']['status']", "equals", "open"),
    ("$.data.count", "equals", 5),
    ("$.data.count", "equals", 5.0),
    ("$.data.on", "equals", True),
    ("$.data.nothing", "equals", None),
    ("$['the name']['it\\'s']", "equals", "quoted"),
    ('$["the name"]["a \\"b\\""]', "equals", "too"),
    ("$['the name']['a \"b\"']", "equals", "too"),
    ("$.items[1].kind", "equals", "cpu"),
    ("$.items[-1].kind", "equals", "cpu"),
    ("$.items[*].kind", "equals", "cpu"),
    ("$.items[*].kind", "not_equals", "memory"),
    ("$.data.status", "not_equals", "closed"),
    ("$.data.count", "not_equals", "5"),
    ("$.missing", "not_equals", "open"),
    ("$.data.status", "contains", "pe"),
    ("$.data.tags", "contains", "a"),
    ("$.data.tags", "contains", 3),
    ("$.data.tags", "not_contains", "3"),
    ("$.data.count", "not_contains", "5"),
    ("$.missing.deeper", "not_contains", "x"),
    ("$.data.status", "starts_with", "op"),
    ("$.data.status", "ends_with", "en"),
    ("$.data.status", "regex_match", "^o(p|q)e"),
    ("$.data.status", "regex_match", "pe"),
    ("$.data.count", "greater_than", 4.5),
    ("$.data.ratio", "less_than", 1),
    ("$.when", "greater_than", "2024-04-30"),
    ("$.when", "less_than", "2024-06"),
    ("$.data.status", "in", ["closed", "open"]),
    ("$.data.status", "not_in", ["closed"]),
    ("$.missing", "not_in", ["open"]),
    ("$.data.nothing", "exists"),
    ("$", "exists"),
    ("$.missing", "not_exists"),
    ("$.items[2]", "not_exists"),
    ("$.items.kind", "not_exists"),
    ("headers.X-Event", "starts_with", "alert."),
    ("Headers.x-event", "exists"),
    ("headers.x-other", "not_exists"),
]

FAILING = [
    ("$.data.status", "equals", "Open"),
    ("$.data.count", "equals", "5"),
    ("$.digits", "equals", 5),
    ("$.data.on", "equals", 1),
    ("$.data.count", "equals", True),
    ("$.missing", "equals", None),
    ("$.data.tags", "equals", "a"),
    ("$.items[*].kind", "not_equals", "cpu"),
    ("$.data.status", "not_equals", "open"),
    ("$.data.tags", "contains", "3"),
    ("$.data.count", "contains", "5"),
    ("$.data.tags", "not_contains", "a"),
    ("$.data.count", "starts_with", "5"),
    ("$.data.status", "ends_with", "op"),
    ("$.data.status", "regex_match", "^pe"),
    ("$.data.count", "regex_match", "5"),
    ("$.digits", "greater_than", 4),
    ("$.data.on", "greater_than", 0),
    ("$.data.count", "greater_than", 5),
    ("$.data.count", "less_than", "6"),
    ("$.missing", "less_than", 6),
    ("$.data.status", "in", []),
    ("$.data.count", "in", ["5"]),
    ("$.missing", "in", [None]),
    ("$.data.status", "not_in", ["open"]),
    ("$.data.status", "not_exists"),
    ("$.missing", "exists"),
    ("headers.x-event", "equals", "ALERT.OPENED"),
    ("$.headers.x-event", "exists"),
]


@pytest.mark.parametrize("rule", HOLDING, ids=str)
def test_rules_that_hold(rule: tuple[Any, ...]) -> None:
    assert holds(*rule)


@pytest.mark.parametrize("rule", FAILING, ids=str)
def test_rules_that_stop_a_request(rule: tuple[Any, ...]) -> None:
    assert not holds(*rule)


@pytest.mark.parametrize("name", [name for name in OPERATORS if not name.startswith("not_")])
def test_a_missing_field_fails_every_operator_that_is_not_a_negative_one(name: str) -> None:
    value = {"in": [["x"]], "exists": []}.get(name, ["x"])
    assert not holds("$.missing", name, *value)


@given(
    st.sampled_from([name for name in OPERATORS if f"not_{name}" in OPERATORS]),
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "1"]),
    st.recursive(st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "1"]), st.lists),
)
def test_a_negative_operator_is_the_opposite_of_its_positive_one(name: str, value: Any, found: Any) -> None:
    given_value = {"in": [[value]], "exists": []}.get(name, [value])
    rules = [_rule("f", operator, *given_value) for operator in (name, f"not_{name}")]
    held = [stopped_by({"all": [rule]}, {"f": found}) is None for rule in rules]
    assert held[0] is not held[1]


YES, NO = _rule("$.data.status", "equals", "open"), _rule("$.data.status", "equals", "closed")


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"all": [YES, YES]}, None),
        ({"all": [YES, NO, NO]}, "all.1"),
        ({"any": [NO, YES]}, None),
        ({"any": [NO, NO]}, ""),
        ({"all": [YES, {"any": [NO, {"all": [YES, YES]}]}]}, None),
        ({"all": [YES, {"any": [NO, {"all": [YES, NO]}]}]}, "all.1"),
        ({"all": [{"all": [{"all": [NO]}]}]}, "all.0.all.0.all.0"),
        ({"all": []}, None),
        ({"any": []}, None),
        ({"any": [{"all": []}, NO]}, None),
        ({"all": [NO | {"enabled": False}, YES | {"enabled": True}]}, None),
        ({"any": [NO | {"enabled": False}]}, None),
        ({"any": [NO | {"enabled": False}, NO]}, ""),
        ({"jsonata": "data.count > 4"}, None),
        ({"jsonata": "data.count > 5"}, ""),
        ({"all": [YES, {"jsonata": "missing"}]}, "all.1"),
        ({"all": [{"jsonata": "false", "enabled": False}]}, None),
        (NO, ""),
    ],
)
def test_groups_nest_and_name_what_stopped_the_request(document: dict[str, Any], path: str | None) -> None:
    stopped = stopped_by(document)
    assert (None if stopped is None else stopped.path) == path


def test_what_stopped_a_request_is_shown_with_long_texts_and_lists_cut() -> None:
    assert stopped_by({"all": [NO]}) == StoppedBy("all.0", NO)
    long = _rule("$.data.status", "in", ["x" * 4_000] * 500)
    stopped = stopped_by({"all": [long]})
    assert stopped is not None
    assert len(str(stopped.rule)) < 15_000
    assert stopped.rule["operator"] == "in"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("data.status", True),
        ("data.nothing", False),
        ("''", False),
        ("0", False),
        ("[]", False),
        ("[0]", False),
        ("{}", False),
        ("items.kind", True),
        ("function($x){$x}", False),
        ("($x := 3; $x = 3)", True),
        ("data.on /* the end */", True),
        ("$headers.'x-event' = 'alert.opened'", True),
        ("$millis() = 1700000000000", True),
    ],
)
def test_an_expression_holds_as_jsonata_says(expression: str, expected: bool) -> None:
    filters = compile_filters({"jsonata": expression})
    bindings = {"headers": HEADERS} if filters.variables else None
    held = filters.stopped_by(BODY, HEADERS, now_ms=NOW_MS, bindings=bindings) is None
    assert held is expected
    assert filters.variables == ({"headers"} if "$headers" in expression else set())


def test_an_expression_that_fails_at_run_time_fails_the_delivery_and_says_where() -> None:
    with pytest.raises(RecordRefusedError) as refused:
        stopped_by({"all": [YES, {"jsonata": "data.status + 1"}]})
    assert (refused.value.code, refused.value.path) == ("MAPPING_FAILED", "filters.all.1.jsonata")
    assert "at character 13" in refused.value.message


@pytest.mark.parametrize(
    ("field", "operator", "value", "body"),
    [
        ("$[*]", "equals", 1, [1] * 10_001),
        ("$", "contains", 2, [1] * 10_001),
        ("$", "regex_match", "b", "a" * 100_001),
    ],
)
def test_what_is_too_large_to_decide_fails_the_delivery(field: str, operator: str, value: Any, body: Any) -> None:
    with pytest.raises(RecordRefusedError) as refused:
        stopped_by({"all": [_rule(field, operator, value)]}, body)
    assert (refused.value.code, refused.value.path) == ("MAPPING_FAILED", "filters.all.0.field")


def test_all_problems_come_at_once_with_their_paths() -> None:
    document = {
        "all": [
            {"field": "$.a[", "operator": "equals", "value": 1},
            {"field": "$.a", "operator": "like", "value": 1},
            {"field": "$.a", "operator": "equals"},
            {"field": "$.a", "operator": "regex_match", "value": "(a"},
            {"field": "$.a", "operator": "regex_match", "value": "(?=a)"},
            {"field": "$.a", "operator": "in", "value": "x"},
            {"field": "$.a", "operator": "equals", "value": {"b": 1}},
            {"field": "$.a", "operator": "exists", "value": 1},
            {"field": "headers.authorization", "operator": "exists"},
            {"field": "headers.", "operator": "exists", "enabled": "yes", "more": 1},
            {"jsonata": "a +"},
            {"any": "x"},
            "text",
            {"all": [], "any": []},
            {"operator": "exists"},
        ]
    }
    found = problems(document)
    assert set(found) == {
        "all.0.field",
        "all.1.operator",
        "all.2.value",
        "all.3.value",
        "all.4.value",
        "all.5.value",
        "all.6.value",
        "all.7.value",
        "all.8.field",
        "all.9.field",
        "all.9.enabled",
        "all.9.more",
        "all.10.jsonata",
        "all.11.any",
        "all.12",
        "all.13.any",
        "all.14.field",
    }
    assert "character 4" in found["all.0.field"]
    assert "not_equals" in found["all.1.operator"]
    assert "never kept" in found["all.8.field"]


def test_a_disabled_rule_is_checked_all_the_same() -> None:
    assert "all.0.operator" in problems({"all": [{"field": "a", "operator": "like", "enabled": False}]})


def test_documents_are_bounded() -> None:
    nested: dict[str, Any] = {"all": [YES]}
    for _ in range(9):
        nested = {"any": [nested]}
    assert stopped_by(nested) is None
    assert "nested" in next(iter(problems({"all": [nested]}).values()))
    assert stopped_by({"all": [YES] * 199}) is None
    assert problems({"all": [YES] * 200}) == {"": "more than 200 rules and groups"}
    assert "all.10.jsonata" in problems({"all": [{"jsonata": "true"}] * 11})
    assert "all.0.value" in problems({"all": [_rule("a", "regex_match", "(a{900}){900}")]})
    assert "all.0.field" in problems({"all": [_rule("a" * 600, "exists")]})
    assert "all.0.value" in problems({"all": [_rule("a", "in", [1] * 1_001)]})


def test_a_value_nested_without_end_is_a_problem_like_any_other() -> None:
    value: Any = 1
    for _ in range(900):
        value = [value]
    assert set(problems({"any": [YES, _rule("a", "equals", value)]})) == {"any.1.value"}


@pytest.mark.parametrize("path", ["", "$$", "$.", "a..b", "$..a", "a b", "$.a[", "$.a[x]", "$[?(@.a)]", "1a"])
def test_paths_outside_the_subset_are_refused(path: str) -> None:
    assert "all.0.field" in problems({"all": [_rule(path, "exists")]})


@given(st.text(max_size=40))
def test_any_quoted_name_is_found_as_it_stands(name: str) -> None:
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    try:
        filters = compile_filters({"all": [_rule(f"$['{escaped}']", "equals", 1)]})
    except FilterError:
        assert any(ord(character) < 32 for character in name), "only control characters need an escape of their own"
        return
    assert filters.stopped_by({name: 1}, {}, now_ms=NOW_MS) is None
