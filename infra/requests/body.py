"""The request body as the JSON text that expressions read. Pure."""

import orjson

from infra.requests.errors import RecordRefusedError
from schemas.bodies import FORM, BodyError, parse_body
from schemas.records import ErrorCode

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def as_json_text(body: bytes, *, is_form: bool) -> str:
    """JSON text of `body`; an empty body is null, a form becomes an object (a repeated field an array).

    Raises RecordRefusedError INVALID_JSON when the bytes are not UTF-8 or no form. Whether they are JSON is found
    out by whoever parses them.
    """
    try:
        if is_form:
            return orjson.dumps(parse_body(body, FORM)).decode()
        if body.startswith(_BYTE_ORDER_MARK):
            body = body[len(_BYTE_ORDER_MARK) :]
        return body.decode() if body.strip() else "null"
    except (BodyError, UnicodeDecodeError) as error:
        raise RecordRefusedError(ErrorCode.INVALID_JSON, f"the body cannot be read: {error}") from error
