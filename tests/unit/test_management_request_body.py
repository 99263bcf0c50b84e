"""What a body may be before anything reads it."""

import re
from collections.abc import Iterator

import pytest
from starlette.types import Message, Receive

from management.errors import BodyTooLargeError, ValidationFailedError
from management.request_body import BODY_BYTES_MAX, DEPTH_MAX, check_body, read_body


def receiving(*parts: bytes, then_disconnect: bool = False) -> Receive:
    last = len(parts) - 1
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": then_disconnect or number < last}
        for number, part in enumerate(parts)
    ]
    given: Iterator[Message] = iter([*messages, {"type": "http.disconnect"}])

    async def receive() -> Message:
        return next(given)

    return receive


async def test_a_body_in_parts_is_read_whole_up_to_the_cap() -> None:
    half = b"x" * (BODY_BYTES_MAX // 2)
    assert await read_body(None, receiving(half, half)) == half + half
    with pytest.raises(BodyTooLargeError, match="1,048,576 bytes"):
        await read_body(None, receiving(half, half, b"x"))


async def test_a_length_over_the_cap_is_refused_without_reading() -> None:
    with pytest.raises(BodyTooLargeError):
        await read_body(str(BODY_BYTES_MAX + 1), receiving())
    with pytest.raises(BodyTooLargeError):
        await read_body("9" * 5_000, receiving())


async def test_a_client_that_went_away_has_no_body() -> None:
    assert await read_body(None, receiving(b"x", then_disconnect=True)) is None


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize("body", [b"", b"{}", nested(DEPTH_MAX), b'"\\\\u0000"', b"[" + b"[]," * 200 + b"1]"])
def test_json_that_can_be_worked_with_passes(body: bytes) -> None:
    check_body(body, "application/json; charset=utf-8")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (nested(DEPTH_MAX + 1), "deeper than 100 levels"),
        (b'{"a":' * 500_000, "not JSON"),
        (b'{"a":' * 900 + b"1" + b"}" * 900, "deeper than 100 levels"),
        (b'{"a": "\\u0000"}', "U\\+0000"),
        (b'{"\\u0000": 1}', "U\\+0000"),
        (b'{"a": NaN}', "not JSON: .* at line 1 column 7"),
        (b'"\\ud800"', "not JSON"),
        (b'"\xff"', "not JSON"),
    ],
)
def test_json_that_would_break_something_is_refused(body: bytes, problem: str) -> None:
    for content_type in ("application/json", "Application/Merge-Patch+JSON"):
        with pytest.raises(ValidationFailedError) as caught:
            check_body(body, content_type)
        [found] = caught.value.details
        assert found.path == ""
        assert re.search(problem, found.message)
