"""What a request's bytes mean: any JSON value, an object from a form, or null from nothing. Both ends read it here.

JSON is UTF-8, with or without a byte order mark, and nothing else: UTF-16, NaN, Infinity, half a surrogate pair and a
number too large for a double are errors. An integer beyond 64 bits is read as a double. Of a name that an object has
twice the last member counts.
"""

from typing import Any
from urllib.parse import parse_qsl

import orjson

FORM = "application/x-www-form-urlencoded"
FORM_FIELDS_MAX = 1_000
#: Arrays and objects inside one another. Expressions read up to 127 of them, the management API 100.
JSON_DEPTH_MAX = 100
#: Arrays and objects of a body, for each MiB of it or part of one. 1 MiB could hold 350,000 of them, and parsing one
#: costs as much as hundreds of bytes of text.
JSON_CONTAINERS_MAX = 25_000
_MEBIBYTE = 1_048_576
_BOM = b"\xef\xbb\xbf"
#: Everything that decides neither what opens nor what a string is.
_PLAIN = bytes(byte for byte in range(256) if byte not in b'[{"\\')
#: orjson writes what is nested this deep and refuses more; so many layers around a value leave it JSON_DEPTH_MAX.
_WRITABLE_DEPTH = 254


class BodyError(ValueError):
    """The body is neither JSON nor a form. Never holds any of the body."""


def parse_body(body: bytes, content_type: str | None) -> Any:
    """The JSON value a body stands for. Raises BodyError.

    A UTF-8 byte order mark is skipped and an empty body is null. A form becomes an object of strings; a field given
    more than once becomes an array of strings.
    """
    return _parse_form(body) if is_form(content_type) else parse_json(body)


def is_form(content_type: str | None) -> bool:
    """Whether a body of this content type is a form."""
    return content_type is not None and content_type[:33].lower() == FORM and content_type[33:34] in ("", ";", " ")


def parse_json(body: bytes) -> Any:
    """The JSON value of a body that is no form. Raises BodyError, in time that is linear in the body's length."""
    if body.startswith(_BOM):
        body = body[3:]
    opened = body.count(b"[") + body.count(b"{")
    if opened > JSON_CONTAINERS_MAX:
        containers_max = -(-len(body) // _MEBIBYTE) * JSON_CONTAINERS_MAX
        if opened > containers_max and _count_containers(body) > containers_max:
            raise BodyError(f"more than {containers_max} arrays and objects")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not body.strip(b" \t\r\n"):
            return None
        raise BodyError("not JSON") from error
    if opened > JSON_DEPTH_MAX and _is_too_deep(value):
        raise BodyError(f"nested deeper than {JSON_DEPTH_MAX} levels")
    return value


def _count_containers(body: bytes) -> int:
    """Arrays and objects of a JSON text: what opens outside its strings. Of a text that is no JSON it may be more."""
    marks = body.translate(None, _PLAIN).replace(b"\\\\", b"").replace(b'\\"', b"")
    return sum(map(len, marks.split(b'"')[::2]))


def _is_too_deep(value: Any) -> bool:
    """Asks the encoder, which counts levels a hundred times faster than a walk."""
    for _ in range(_WRITABLE_DEPTH - JSON_DEPTH_MAX):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    return False


def _parse_form(body: bytes) -> dict[str, str | list[str]]:
    try:
        text = body.decode("ascii") if body.isascii() else body.decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS_MAX)
    except ValueError as error:
        raise BodyError("not a form") from error
    form: dict[str, str | list[str]] = {}
    for name, value in pairs:
        earlier = form.get(name)
        if earlier is None:
            form[name] = value
        elif isinstance(earlier, list):
            earlier.append(value)
        else:
            form[name] = [earlier, value]
    return form
