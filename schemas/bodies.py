"""What a request's bytes mean: any JSON value, an object from a form, or null from nothing. Both ends read it here."""

from typing import Any
from urllib.parse import parse_qsl

import orjson

FORM = "application/x-www-form-urlencoded"
FORM_FIELDS_MAX = 1_000
_BOM = b"\xef\xbb\xbf"


class BodyError(ValueError):
    """The body is neither JSON nor a form. Never holds any of the body."""


def parse_body(body: bytes, content_type: str | None) -> Any:
    """The JSON value a body stands for. Raises BodyError.

    A UTF-8 byte order mark is skipped and an empty body is null. A form becomes an object of strings; a field given
    more than once becomes an array of strings.
    """
    if content_type is not None and content_type[:33].lower() == FORM and content_type[33:34] in ("", ";", " "):
        return _parse_form(body)
    if body.startswith(_BOM):
        body = body[3:]
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not body.strip(b" \t\r\n"):
            return None
        raise BodyError("not JSON") from error


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
