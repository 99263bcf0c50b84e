"""The request body as the JSON text that expressions read. Pure."""

import json
from urllib.parse import parse_qsl

from processors.errors import RecordRefusedError
from schemas.records import ErrorCode

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FORM_FIELDS_MAX = 10_000


def as_json_text(body: bytes, *, is_form: bool) -> str:
    """JSON text of `body`; an empty body is null, a form becomes an object (a repeated field an array).

    Raises RecordRefusedError INVALID_JSON when the bytes are not UTF-8 or no form. Whether they are JSON is found
    out by whoever parses them.
    """
    try:
        if is_form:
            return _form_as_json(body)
        if body.startswith(_BYTE_ORDER_MARK):
            body = body[len(_BYTE_ORDER_MARK) :]
        return body.decode() if body.strip() else "null"
    except ValueError as error:
        raise RecordRefusedError(ErrorCode.INVALID_JSON, f"the body cannot be read: {error}") from error


def _form_as_json(body: bytes) -> str:
    fields: dict[str, str | list[str]] = {}
    for name, value in parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FORM_FIELDS_MAX):
        present = fields.get(name)
        if present is None:
            fields[name] = value
        elif isinstance(present, list):
            present.append(value)
        else:
            fields[name] = [present, value]
    return json.dumps(fields)
