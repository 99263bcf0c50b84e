"""What a letter is changed to before it is tried again. Pure."""

import base64
import binascii
import json
from hashlib import sha256
from typing import Any, Literal, NamedTuple

from management.errors import Problem, ValidationFailedError
from management.replaying.changes import PatchError, patched
from schemas.encoding import record_bytes

JSON_CONTENT = "application/json"
Kind = Literal["body", "body_base64", "fields", "patch"]
#: Of an action's fields; a body has its webhook's own limit.
_FIELDS_BYTES_MAX = 16_777_216


class LetterChange(NamedTuple):
    """Of one letter: a whole `body` (a JSON value), one in base64, the `fields` of an action, or a patch of either."""

    kind: Kind
    value: Any


class NewBody(NamedTuple):
    """Bytes, and what they are."""

    body: bytes
    content_type: str | None


def changed_body(change: LetterChange, body: bytes, content_type: str | None, *, bytes_max: int) -> NewBody:
    """The body that a request is to have. Raises ValidationFailedError."""
    if change.kind == "fields":
        raise _wrong(change.kind, "is of an action; a request has a body")
    made = _new_body(change, body, content_type, bytes_max)
    if len(made.body) > bytes_max:
        raise _wrong(change.kind, f"has {len(made.body)} bytes, the webhook takes {bytes_max} at most")
    return made


def changed_fields(change: LetterChange, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that an action is to have. Raises ValidationFailedError."""
    if change.kind not in {"fields", "patch"}:
        raise _wrong(change.kind, "is of a request; an action has fields")
    made = change.value if change.kind == "fields" else json.loads(_patched(change, record_bytes(fields), None))
    if not isinstance(made, dict):
        raise _wrong(change.kind, "leaves no object of fields")
    return made


def digest_of(change: LetterChange | None) -> bytes | None:
    """By which a change is known again; None: there is none."""
    return None if change is None else sha256(record_bytes([change.kind, change.value])).digest()


def _new_body(change: LetterChange, body: bytes, content_type: str | None, bytes_max: int) -> NewBody:
    if change.kind == "body":
        return NewBody(record_bytes(change.value), JSON_CONTENT)
    if change.kind == "patch":
        return NewBody(_patched(change, body, content_type, bytes_max), content_type or JSON_CONTENT)
    try:
        return NewBody(base64.b64decode(change.value, validate=True), content_type)
    except binascii.Error:
        raise _wrong(change.kind, "is no base64") from None


def _patched(change: LetterChange, body: bytes, content_type: str | None, bytes_max: int = _FIELDS_BYTES_MAX) -> bytes:
    try:
        return patched(body, content_type, change.value, bytes_max=bytes_max)
    except PatchError as error:
        raise _wrong(error.path, str(error)) from None


def _wrong(path: str, message: str) -> ValidationFailedError:
    return ValidationFailedError([Problem(path, message)])
