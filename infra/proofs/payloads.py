"""What a signature covers: a template filled from the request, and the time and the id that stand in its headers."""

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from urllib.parse import parse_qsl

from infra.proofs.requests import SignedRequest
from schemas.bodies import FORM_FIELDS_MAX, is_form
from schemas.presets import SIGNED_PLACEHOLDER_PATTERN

Payload = Callable[[SignedRequest], bytes]
#: A text of the request's headers; empty where there is none.
TextOf = Callable[[SignedRequest], str]
#: Microseconds since the epoch; None for what is no time.
ReadTime = Callable[[str], int | None]

_PLACEHOLDER = re.compile(SIGNED_PLACEHOLDER_PATTERN)
_PARTS = re.compile(r"(\{[^{}]*\})")
_NUMBER = re.compile(r"[0-9]{1,15}")
_MILLISECONDS_FROM = 100_000_000_000
_RFC3339_LENGTH_MAX = 40


def header_text(*names: str) -> TextOf:
    """The first of these headers that is there; names are lower-case."""

    def text(request: SignedRequest) -> str:
        for name in names:
            value = request.headers.get(name)
            if value is not None:
                return value
        return ""

    return text


def element_text(header: str, element: str, separator: str) -> TextOf:
    """What follows `element=` in a header that holds several values."""
    mark = f"{element}="

    def text(request: SignedRequest) -> str:
        for part in request.headers.get(header, "").split(separator):
            if part.strip(" ").startswith(mark):
                return part.strip(" ")[len(mark) :]
        return ""

    return text


def compile_payload(template: str, *, timestamp: TextOf, event_id: TextOf) -> Payload:
    """The bytes a signature covers. What is missing counts as empty text."""
    if template == "{body}":
        return lambda request: request.body
    parts = [_compile_part(text, timestamp, event_id) for text in _PARTS.split(template) if text]

    def payload(request: SignedRequest) -> bytes:
        return b"".join([part(request) for part in parts])

    return payload


def signs_url(template: str) -> bool:
    """Whether the template covers the URL, so that a request needs its `base_url`."""
    return "{url}" in template


def _compile_part(text: str, timestamp: TextOf, event_id: TextOf) -> Payload:
    match = _PLACEHOLDER.fullmatch(text)
    if match is None:
        literal = text.encode()
        return lambda _: literal
    name = match[1]
    if name.startswith("header:"):
        return _encoded(header_text(name.removeprefix("header:").lower()))
    by_name: dict[str, Payload] = {
        "body": lambda request: request.body,
        "method": lambda request: request.method.encode(),
        "path": lambda request: request.path.encode("latin-1"),
        "query": lambda request: request.query.encode("latin-1"),
        "url": _url,
        "form": _sorted_form,
        "body_sha256_hex": lambda request: hashlib.sha256(request.body).hexdigest().encode(),
        "timestamp": _encoded(timestamp),
        "id": _encoded(event_id),
    }
    return by_name[name]


def _encoded(text: TextOf) -> Payload:
    return lambda request: text(request).encode("latin-1", "replace")


def _url(request: SignedRequest) -> bytes:
    query = f"?{request.query}" if request.query else ""
    return f"{request.base_url}{request.path}{query}".encode("latin-1", "replace")


def _sorted_form(request: SignedRequest) -> bytes:
    """Names and values of a form, sorted, equal pairs once; empty for any other body.

    What cannot be read as a form stands for itself, so that no such body goes with a signature over the URL alone.
    """
    if not is_form(request.headers.get("content-type")):
        return b""
    try:
        text = request.body.decode()
        pairs: Sequence[tuple[str, str]] = parse_qsl(text, keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX)
    except ValueError:
        return request.body
    return "".join(name + value for name, value in sorted(set(pairs))).encode("utf-8", "replace")


def read_seconds_or_milliseconds(text: str) -> int | None:
    """Whole seconds, or milliseconds where the number is too large for seconds."""
    number = _number(text)
    if number is None:
        return None
    return number * 1_000 if number >= _MILLISECONDS_FROM else number * 1_000_000


def _read_seconds(text: str) -> int | None:
    number = _number(text)
    return None if number is None else number * 1_000_000


def _read_milliseconds(text: str) -> int | None:
    number = _number(text)
    return None if number is None else number * 1_000


def _read_rfc3339(text: str) -> int | None:
    if len(text) > _RFC3339_LENGTH_MAX:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return None if moment.tzinfo is None else int(moment.timestamp() * 1_000_000)
    except (ValueError, OverflowError, OSError):
        return None


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None


READ_TIME: dict[str, ReadTime] = {
    "seconds": _read_seconds,
    "milliseconds": _read_milliseconds,
    "rfc3339": _read_rfc3339,
}
