"""What a body's bytes mean."""

from typing import Any

import pytest

from schemas.bodies import BodyError, parse_body

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"[1]", [1]),
        (b'"x"', "x"),
        (b"5", 5),
        (b"true", True),
        (b"null", None),
        (b"", None),
        (b" \r\n", None),
        (b"\xef\xbb\xbf", None),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    ],
)
def test_any_json_value_is_a_body(body: bytes, value: Any) -> None:
    assert parse_body(body, "application/json") == value
    assert parse_body(body, None) == value


@pytest.mark.parametrize("body", [b"{", b"not json", b"{'a': 1}", b"NaN", b'{"a":1}x', b"\xff\xfe", b'"\xff"', b"a=1"])
def test_anything_else_is_an_error(body: bytes) -> None:
    with pytest.raises(BodyError):
        parse_body(body, "application/json")


@pytest.mark.parametrize("content_type", [FORM, FORM.upper(), f"{FORM}; charset=utf-8"])
def test_a_form_becomes_an_object(content_type: str) -> None:
    assert parse_body(b"a=1&b=x+y&c=&a=2", content_type) == {"a": ["1", "2"], "b": "x y", "c": ""}


def test_an_empty_form_is_an_empty_object_and_a_huge_one_is_an_error() -> None:
    assert parse_body(b"", FORM) == {}
    with pytest.raises(BodyError):
        parse_body(b"&".join(b"k%d=1" % n for n in range(2_000)), FORM)
    with pytest.raises(BodyError):
        parse_body(b"a=%ff", FORM)


def test_a_type_that_only_begins_like_a_form_is_not_one() -> None:
    with pytest.raises(BodyError):
        parse_body(b"a=1", f"{FORM}-not")
