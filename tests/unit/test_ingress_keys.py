"""Dedupe keys from headers and from bodies."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.jsonata import compile_expression
from infra.requests.keys import build_key, key_text
from schemas.webhooks import IdempotencySource


def engine(source: str) -> Callable[[Any, int], Any]:
    expression = compile_expression(source)

    def evaluate(body: Any, at_ms: int) -> Any:
        found = expression.evaluate(orjson.dumps(body).decode(), None, now_ms=at_ms, seed=0)
        return None if found is None else orjson.loads(found)

    return evaluate


def no_engine(source: str) -> Callable[[Any, int], Any]:
    def evaluate(body: Any, at_ms: int) -> Any:
        raise AssertionError(f"{source} should not have needed the engine")

    return evaluate


def header_key(value: str | None) -> str | None:
    key = build_key(IdempotencySource(type="header", value="X-Event-Id"), no_engine)
    assert key is not None
    return key({} if value is None else {"x-event-id": value}, None, 0)


def body_key(expression: str, body: Any, compile_with: Callable[[str], Any] = engine) -> str | None:
    key = build_key(IdempotencySource(type="jsonata", value=expression), compile_with)
    assert key is not None
    return key({}, body, 0)


def test_without_a_source_there_is_no_key() -> None:
    assert build_key(None, no_engine) is None


@pytest.mark.parametrize(
    ("value", "key"), [("evt-1", "evt-1"), ("  evt-1\t", "evt-1"), ("", None), ("  ", None), (None, None)]
)
def test_a_header_is_trimmed_and_a_blank_one_is_missing(value: str | None, key: str | None) -> None:
    assert header_key(value) == key


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("evt-1", "evt-1"),
        (" evt 1 ", " evt 1 "),
        (42, "42"),
        (4.5, "4.5"),
        (42.0, "42"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        ("", None),
        (None, None),
        ([1, "a"], '[1,"a"]'),
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),
    ],
)
def test_a_value_of_each_kind_as_a_key(value: Any, key: str | None) -> None:
    assert body_key("alert.id", {"alert": {"id": value}}) == key


def test_objects_that_differ_in_order_only_have_one_key() -> None:
    assert body_key("$", {"b": {"d": 1, "c": 2}, "a": 1}) == body_key("$", {"a": 1, "b": {"c": 2, "d": 1}})


@pytest.mark.parametrize("body", [None, [], "text", 5, {}, {"alert": None}, {"alert": "x"}, {"alert": {"no": 1}}])
def test_a_path_that_leads_nowhere_is_missing(body: Any) -> None:
    assert body_key("alert.id", body) is None


def test_a_plain_path_through_objects_needs_no_engine() -> None:
    assert body_key(" alert.id ", {"alert": {"id": "a-1"}}, no_engine) == "a-1"


@pytest.mark.parametrize("expression", ["true", "null", "a.and.b", "$.a", "a[0]", "a & b", "`a b`", "*.a", "a.(b)"])
def test_anything_but_a_plain_path_goes_to_the_engine(expression: str) -> None:
    with pytest.raises(AssertionError, match="engine"):
        body_key(expression, {"a": {"b": 1}}, no_engine)


scalars = st.text(max_size=5) | st.integers(-1000, 1000) | st.booleans() | st.none()
bodies = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner)
)


@given(bodies, st.lists(st.sampled_from("abc"), min_size=1, max_size=3))
def test_the_fast_path_and_the_engine_agree(body: Any, steps: list[str]) -> None:
    path = ".".join(steps)
    evaluate = engine(path)
    assert body_key(path, body) == key_text(evaluate(body, 0))


@pytest.mark.parametrize(
    ("text", "hashed"), [("x" * 512, False), ("x" * 513, True), ("é" * 256, False), ("é" * 257, True)]
)
def test_a_key_longer_than_512_bytes_is_hashed(text: str, hashed: bool) -> None:
    expected = f"sha256:{sha256(text.encode()).hexdigest()}" if hashed else text
    assert key_text(text) == expected


def test_the_expression_sees_the_time_it_was_given() -> None:
    key = build_key(IdempotencySource(type="jsonata", value='id & "@" & $string($millis())'), engine)
    assert key is not None
    assert key({}, {"id": "a"}, 1_700_000_000_000) == "a@1700000000000"
