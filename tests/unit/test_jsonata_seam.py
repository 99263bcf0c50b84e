"""What the seam promises of both engines: bounds, a fixed clock, null told from nothing, names of what is read."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import jlens
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.jsonata import (
    ARRAY_ITEMS_MAX,
    ENGINES,
    SOURCE_LENGTH_MAX,
    InputError,
    JsonataError,
    Limits,
    compile_expression,
    paths_read,
)
from tests.support.processor_time import bound_here

pytestmark = pytest.mark.usefixtures("earlier_objects_left_alone")

BY_ENGINE = pytest.mark.parametrize("engine", ENGINES)
TIGHT = Limits(timeout_seconds=0.05, depth_max=200, result_bytes_max=10_000)
#: For tests of what comes out: the limit is of wall time, which a busy machine takes away in one piece.
PATIENT = TIGHT._replace(timeout_seconds=10.0)
#: Of processor time, so that a busy machine does not count; without limits these run for seconds, or for ever.
ENDED_SECONDS_MAX = 2.0
#: As above: with each item held against each other it is 5 to 25 s.
COMPARED_SECONDS_MAX = 1.0


def evaluate(
    engine: str, source: str, body: str = "{}", bindings: dict[str, Any] | None = None, limits: Limits = PATIENT
) -> str | None:
    expression = compile_expression(source, engine=engine, limits=limits)
    return expression.evaluate(body, bindings, now_ms=1_750_849_543_488, seed=7)


@BY_ENGINE
def test_a_picture_that_an_engine_does_not_know_is_a_failed_expression(engine: str) -> None:
    with pytest.raises(JsonataError, match="sequence"):
        evaluate(engine, '$parseInteger(text, "x")', '{"text": "a"}')


@BY_ENGINE
def test_no_value_null_and_the_text_null_are_three_things(engine: str) -> None:
    body = '{"nothing": null, "text": "null"}'
    assert evaluate(engine, "absent", body) is None
    assert evaluate(engine, "nothing", body) == "null"
    assert evaluate(engine, "text", body) == '"null"'


@BY_ENGINE
@pytest.mark.parametrize("source", ["$now()", "$millis()", "$random()", "[$random(), $random()]", "$shuffle([1..20])"])
def test_clock_and_chance_are_the_deliverys_own(engine: str, source: str) -> None:
    if engine == "jsonata-python" and "shuffle" in source:
        pytest.skip("jsonata-python shuffles by a chance of its own: $shuffle is not repeatable there")
    first = evaluate(engine, source)
    time.sleep(0.003)  # a clock that is not fixed would have moved on
    assert evaluate(engine, source) == first


@BY_ENGINE
def test_the_clock_shows_the_given_time(engine: str) -> None:
    assert evaluate(engine, "$millis()") == "1750849543488"
    assert evaluate(engine, "$now()") == '"2025-06-25T11:05:43.488Z"'


@BY_ENGINE
def test_bindings_are_read_and_named(engine: str) -> None:
    expression = compile_expression("$headers.subject & $delivery.id & $local", engine=engine, limits=PATIENT)
    assert {"headers", "delivery"} <= expression.variables
    bindings = {"headers": {"subject": "s"}, "delivery": {"id": "d"}}
    assert expression.evaluate("null", bindings, now_ms=0, seed=0) == '"sd"'
    assert compile_expression("alert.id", engine=engine, limits=PATIENT).variables == frozenset()


@BY_ENGINE
def test_text_that_is_evaluated_may_read_any_binding(engine: str) -> None:
    expression = compile_expression("$eval('$headers.subject')", engine=engine, limits=PATIENT)
    assert expression.variables == {"headers", "query", "delivery", "metadata", "client", "kafka"}
    assert expression.evaluate("null", {"headers": {"subject": "s"}}, now_ms=0, seed=0) == '"s"'


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        ("alert.device.name & ': ' & alert.title", ("alert.device.name", "alert.title")),
        ("devices[id = $$.alert.device_id].name", ("alert.device_id", "devices.id", "devices.name")),
        ("$headers.`x-event` & $query.kind", ("$headers.`x-event`", "$query.kind")),
        ("`first name`", ("`first name`",)),
        ("$string($)", ("$",)),
        ("$lookup(names, code)", ("code", "names")),
        ("'fixed'", ()),
        ("$eval(text)", ("$", "$client", "$delivery", "$headers", "$kafka", "$metadata", "$query")),
    ],
)
def test_the_paths_read_are_named(source: str, paths: tuple[str, ...]) -> None:
    assert paths_read(source) == paths


def test_paths_of_what_does_not_compile_are_refused_with_the_position() -> None:
    with pytest.raises(JsonataError) as refused:
        paths_read("alert.(")
    assert refused.value.position is not None


@BY_ENGINE
def test_one_call_does_not_see_the_bindings_of_another(engine: str) -> None:
    expression = compile_expression("$exists($headers.a)", engine=engine, limits=PATIENT)
    assert expression.evaluate("null", {"headers": {"a": 1}}, now_ms=0, seed=0) == "true"
    assert expression.evaluate("null", {"headers": {}}, now_ms=0, seed=0) == "false"
    assert expression.evaluate("null", None, now_ms=0, seed=0) == "false"


@BY_ENGINE
@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("($f := function($n){$f($n + 1)}; $f(0))", "D1012"),
        ("($f := function($n){1 + $f($n + 1)}; $f(0))", "D1011"),
        ("$pad('x', 100000)", "U1001"),
        ("[1..50000]", "U1001"),
    ],
)
def test_an_expression_ends_at_its_limit_and_says_which(engine: str, source: str, code: str) -> None:
    started = time.thread_time()
    with pytest.raises(JsonataError) as caught:
        evaluate(engine, source, limits=TIGHT)
    assert caught.value.code in {code, "D1012"}
    assert time.thread_time() - started < bound_here(ENDED_SECONDS_MAX)


@pytest.mark.parametrize(
    "source",
    [
        "[1..9999999]",
        "$count([1..9999999])",
        "$match($pad('a', 40, 'a') & '!', /(a+)+$/)",
        "$length($pad('x', 9000000))",
    ],
)
def test_jlens_ends_what_would_grow_or_backtrack_inside_one_step(source: str) -> None:
    started = time.thread_time()
    with pytest.raises(JsonataError):
        evaluate("jlens", source, limits=TIGHT)
    assert time.thread_time() - started < bound_here(ENDED_SECONDS_MAX)


@BY_ENGINE
def test_a_failure_leaves_nothing_behind(engine: str) -> None:
    expression = compile_expression("deep.a + 1", engine=engine, limits=PATIENT)
    for _ in range(300):
        with pytest.raises(JsonataError):
            expression.evaluate('{"deep": {"a": "x"}}', None, now_ms=0, seed=0)
    assert expression.evaluate('{"deep": {"a": 1}}', None, now_ms=0, seed=0) == "2"


@BY_ENGINE
@pytest.mark.parametrize("body", ["", "{", "[1,", "nul", "{'a': 1}"])
def test_a_body_that_is_no_json_is_an_input_error(engine: str, body: str) -> None:
    with pytest.raises(InputError):
        evaluate(engine, "$", body)


@BY_ENGINE
def test_a_fault_of_syntax_has_its_code_and_position(engine: str) -> None:
    with pytest.raises(JsonataError) as caught:
        compile_expression("alert.[", engine=engine)
    assert caught.value.code.startswith("S0")
    assert caught.value.position is not None


@BY_ENGINE
def test_a_source_beyond_its_bound_is_refused_unread(engine: str) -> None:
    assert compile_expression(" " * (SOURCE_LENGTH_MAX - 1) + "1", engine=engine).source
    with pytest.raises(JsonataError, match=str(SOURCE_LENGTH_MAX)):
        compile_expression("(" * (SOURCE_LENGTH_MAX + 1), engine=engine)


@BY_ENGINE
def test_one_expression_serves_several_threads_without_mixing_their_inputs(engine: str) -> None:
    expression = compile_expression("{'id': alert.id, 'twice': alert.id & alert.id}", engine=engine, limits=PATIENT)

    def run(number: int) -> bool:
        text = expression.evaluate(json.dumps({"alert": {"id": str(number)}}), None, now_ms=0, seed=0)
        return bool(json.loads(text or "null") == {"id": str(number), "twice": str(number) * 2})

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(run, range(200)))


def test_numbers_in_jlens_are_doubles_as_jsonata_says() -> None:
    """Two ids of 64 bits may come out the same: a sender's big numbers are safe as strings only (README, limits)."""
    assert evaluate("jlens", "id", '{"id": 9007199254740993}') == "9007199254740992"
    assert evaluate("jlens", "id", '{"id": "9007199254740993"}') == '"9007199254740993"'


def _raw(source: str, body: str) -> str | None:
    """What jlens alone gives. In parentheses, as the fields of a mapping stand: those take a layer off one result."""
    return jlens.Expression(f"({source})").evaluate_json(body)


NUMBERED = ",".join(f'{{"a":{number}}}' for number in range(20_000))
NAMED = ",".join(f'"k{number}":1' for number in range(30_000))


@pytest.mark.parametrize(
    ("source", "body"),
    [
        ("$count($distinct($))", f"[{NUMBERED}]"),
        ("$eval('$count($dis' & 'tinct($))')", f"[{NUMBERED}]"),
        ("$count($keys($))", f"{{{NAMED}}}"),
        ("$count($keys($))", "[{" + NAMED.replace(",", "},{") + "}]"),
        ("$formatNumber(1, $pad('0', 100000, '0,'))", "{}"),
        ("$formatInteger(1, $pad('0', 300000, ',0'))", "{}"),
    ],
)
def test_jlens_is_not_stalled_by_a_builtin_that_compares_each_with_each(source: str, body: str) -> None:
    expression = compile_expression(source)
    started = time.thread_time()
    with suppress(JsonataError):  # whether by a result or at a limit: it has ended
        assert expression.evaluate(body, None, now_ms=0, seed=0) in {"20000", "30000"}
    assert time.thread_time() - started < bound_here(COMPARED_SECONDS_MAX)


def test_distinct_of_too_many_items_is_refused() -> None:
    with pytest.raises(JsonataError) as caught:
        evaluate("jlens", "$count($distinct($))", "[" + "0," * ARRAY_ITEMS_MAX + "0]")
    assert caught.value.code == "U1001"


SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0, 2e19, 1e300, "1", "", "é"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner), max_leaves=3
)
GUARDED = ["$distinct($)", "$distinct($.a)", "[$distinct($)]", "{'k': $distinct($)}", "$keys($)", "$.$keys()"]


@pytest.mark.parametrize("source", GUARDED)
@settings(max_examples=100, deadline=None, derandomize=True)
@given(values=st.lists(VALUES, min_size=1, max_size=12))
def test_a_guarded_function_gives_what_the_builtin_gives(source: str, values: list[Any]) -> None:
    for body in (json.dumps(values), json.dumps(values * 40), json.dumps(values[:1] * 40)):
        assert evaluate("jlens", source, body) == _raw(source, body)


@pytest.mark.parametrize(
    "source",
    [
        "$formatNumber(1.5, '0.00')",
        "$formatNumber(-1, '0', {'minus-sign': 'm'})",
        "$formatNumber(absent, '0')",
        "[1, 2].$formatInteger('00')",
        "$map([1, 2], $formatInteger(?, 'w'))",
        "$keys($merge([1..40].{$string($): 1}))",
        "$map([{'a': 1}], $keys) /* $distinct */",
        "$distinct(null)",
    ],
)
def test_a_guard_changes_no_result(source: str) -> None:
    assert evaluate("jlens", source) == _raw(source, "{}")


@pytest.mark.parametrize("source", ["$distinct()", "1 + $keys(1, 2)", "'a' & $formatNumber('x', '0')"])
def test_a_guard_moves_no_position(source: str) -> None:
    with pytest.raises(jlens.JlensError) as expected:
        jlens.Expression(source).evaluate_json("{}")
    with pytest.raises(JsonataError) as caught:
        evaluate("jlens", source)
    assert (caught.value.code, caught.value.position) == (expected.value.code, expected.value.position)


def test_a_panic_of_the_engine_is_a_failed_expression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.jsonata._GUARDS", {})
    with pytest.raises(JsonataError, match="the engine failed"):
        evaluate("jlens", "$formatNumber(1, '0.' & $pad('', 70000, '0'))")
