"""Filters of deliveries as conditions, and cursors: nothing that a caller writes is ever part of a statement."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from infra.queries import load_queries, put_together
from infra.requests.paths import JsonPath
from management.deliveries import conditions
from management.deliveries.body_paths import compile_body_path
from management.deliveries.filters import DeliveryFilter
from management.errors import ValidationFailedError
from management.log_pages import LogRequest, Position, Scope, Total, read_newest

QUERIES = load_queries(Path(conditions.__file__).parent / "queries.sql")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WEBHOOK, TENANT = UUID(int=7), UUID(int=1)
STEPS = st.lists(st.text(max_size=8) | st.integers(-(10**9), 10**9) | st.none(), max_size=8)
#: All that an expression is made of: functions, variables, numbered placeholders, signs, and two words.
PARTS = re.compile(
    r"JSONExtract(Raw|ArrayRaw|KeysAndValuesRaw)|JSONType|if|array(Filter|Map|Flatten)|notEmpty|AND|value|body|member_\d"
    r"|\{body_path_\d+:(String|Int64)\}|'Array'|''|->|\.2|[(),=\[\] ]"
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)


@given(STEPS)
def test_a_path_becomes_functions_and_placeholders_and_its_steps_are_bound(steps: list[str | int | None]) -> None:
    text, parameters = compile_body_path(JsonPath(steps), "body")
    assert PARTS.sub("", text) == ""
    named = [step for step in steps if step is not None]
    assert list(parameters.values()) == [step + 1 if isinstance(step, int) and step >= 0 else step for step in named]
    assert {f"{{{name}:{'Int64' if isinstance(v, int) else 'String'}}}" for name, v in parameters.items()} == set(
        re.findall(r"\{\w+:\w+\}", text)
    )


@given(text=TEXTS, operator=st.sampled_from(["equals", "not_equals", "contains", "less_than", "starts_with"]))
def test_what_a_caller_writes_is_bound_and_never_written_into_the_statement(text: str, operator: str) -> None:
    def statement(value: str) -> str:
        given_ = dict.fromkeys(("action", "idempotency_key", "entity_type", "trace_id", "body_contains"), value)
        search = {"body_path": "$.a[*].b", "body_op": operator, "body_value": value}
        wanted = DeliveryFilter.model_validate({**given_, **search, "action": [value], "webhook_id": [WEBHOOK]})
        made = conditions.conditions_of(wanted, QUERIES, now=NOW)
        assert made.parameters["body_value"] == made.parameters["body_contains"] == value
        return put_together(QUERIES, "find", conditions=made.text, among="")

    assert statement(text) == statement("plain")


def refused(text: str) -> list[tuple[int | str, ...]]:
    """Where the problems of a search at a path are; what is read is a condition."""
    try:
        wanted = DeliveryFilter.model_validate({"body_path": text, "body_op": "exists", "webhook_id": [WEBHOOK]})
    except ValidationError as error:
        return [problem["loc"] for problem in error.errors()]
    conditions.conditions_of(wanted, QUERIES, now=NOW)
    return []


@given(st.text(max_size=60))
def test_a_path_is_read_or_refused_by_its_name(text: str) -> None:
    assert refused(text) in ([], [("body_path",)])


def test_every_filter_has_a_block_and_every_block_a_filter() -> None:
    plain = {f"where_{name}" for name in conditions.PLAIN}
    assert plain | {"where_body_path", "where_body_path_not"} == {name for name in QUERIES if name.startswith("where_")}


def filtered(**members: Any) -> LogRequest:
    return DeliveryFilter.model_validate(members)


POSITIONS = st.builds(
    Position,
    at_us=st.integers(0, 2**63),
    id=st.uuids(),
    page=st.integers(1, 10_000),
    total=st.builds(Total, rows=st.integers(0, 2**40), is_exact=st.booleans()),
)


@given(POSITIONS)
def test_a_cursor_is_read_as_it_was_written(position: Position) -> None:
    cursor = Scope("deliveries", TENANT, filtered(is_test=True)).write(position)
    asked = filtered(is_test=True, cursor=cursor, per_page=7)
    assert Scope("deliveries", TENANT, asked).read(asked) == position


@given(POSITIONS, st.integers(0, 100), st.integers(1, 255))
def test_a_cursor_of_another_list_tenant_or_filter_or_none_at_all_is_refused(
    position: Position, at: int, flip: int
) -> None:
    cursor = Scope("deliveries", TENANT, filtered()).write(position)
    asked = filtered(cursor=cursor)
    others = [
        (Scope("rejections", TENANT, asked), asked),
        (Scope("deliveries", UUID(int=2), asked), asked),
        (Scope("deliveries", TENANT, filtered(is_test=True)), asked),
        (Scope("deliveries", TENANT, asked), filtered(cursor=cursor[: at % len(cursor)] or "x")),
        (Scope("deliveries", TENANT, asked), filtered(cursor=f"{cursor[:4]}{chr(flip)}{cursor[5:]}!")),
        (Scope("deliveries", TENANT, asked), filtered(cursor=cursor, page=2)),
    ]
    for scope, wanted in others:
        with pytest.raises(ValidationFailedError):
            scope.read(wanted)


@given(
    times=st.lists(st.integers(0, 10**7), max_size=30, unique=True),
    since_hours=st.integers(0, 2_000),
    rows=st.integers(1, 12),
)
def test_reading_piece_by_piece_finds_the_newest_rows_and_reads_no_piece_twice(
    times: list[int], since_hours: int, rows: int
) -> None:
    """Times are seconds before now; some are of the next hours, as those of a clock that is fast."""
    now = 2_000 * 3_600
    since, until = since_hours * 3_600, now + 3_600
    stored = sorted((at for at in times if since <= at < until), reverse=True)
    pieces: list[tuple[int, int]] = []

    def find(since_us: int, until_us: int, limit: int) -> list[dict[str, int]]:
        pieces.append((since_us, until_us))
        return [{"at_us": at} for at in stored if since_us <= at * 1_000_000 < until_us][:limit]

    found = read_newest(find, since * 1_000_000, until * 1_000_000, now * 1_000_000, rows)
    assert [row["at_us"] for row in found] == stored[:rows]
    assert all(later[0] == earlier[1] for later, earlier in itertools.pairwise(pieces))
    assert pieces[0][1] == until * 1_000_000
