"""What a request brings, before anything reads it: no more than the cap, and JSON that can be stored."""

import asyncio
from contextlib import suppress
from typing import Any

import orjson
from starlette.types import Message, Receive

from management.errors import BodyTooLargeError, Problem, ValidationFailedError

BODY_BYTES_MAX = 1_048_576
#: How much of a body that was refused is still taken in: a connection closed on unread data loses the answer, too.
DRAINED_BYTES_MAX = 16_777_216
DRAIN_SECONDS_MAX = 5.0
#: Levels of arrays and objects. Far more than any configuration has, far less than recursive code breaks at.
DEPTH_MAX = 100
_NUL = b"\\u0000"


async def read_body(content_length: str | None, receive: Receive) -> bytes | None:
    """The whole body; None when the client went away. Raises BodyTooLargeError without reading further."""
    if content_length is not None and content_length.isdecimal() and int(content_length[:20]) > BODY_BYTES_MAX:
        raise BodyTooLargeError(BODY_BYTES_MAX)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise BodyTooLargeError(BODY_BYTES_MAX)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def drain(receive: Receive) -> None:
    """Let go of what the client still sends, within bounds, so that it can read the answer."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS_MAX):
            while size <= DRAINED_BYTES_MAX:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read, then whatever comes after it."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        return pending.pop() if pending else await receive()

    return give


def check_body(body: bytes, content_type: str) -> None:
    """Raises ValidationFailedError for a JSON body that is not JSON, nested too deeply, or not to be stored."""
    if not body or not _is_json(content_type):
        return
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise ValidationFailedError([Problem("", f"this is not JSON: {error.msg} at {place}")]) from None
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX or _NUL in body:
        problem = _problem(value)
        if problem is not None:
            raise ValidationFailedError([Problem("", problem)])


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def _problem(value: Any) -> str | None:
    """Walks level by level; every level is one list, so depth costs no stack."""
    level, depth = [value], 0
    while level:
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below += one.keys()
                below += one.values()
            elif isinstance(one, list):
                below += one
            elif isinstance(one, str) and "\0" in one:
                return "the character U+0000 cannot be stored"
        if depth == DEPTH_MAX and any(isinstance(one, dict | list) for one in level):
            return f"this is nested deeper than {DEPTH_MAX} levels"
        level, depth = below, depth + 1
    return None
