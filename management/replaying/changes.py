"""A body that a replay has instead of its origin's: patched (RFC 6902) or given whole, and how that is shown. Pure."""

import json
from collections.abc import Sequence
from typing import Any

from jsonpatch import InvalidJsonPatch, JsonPatch, JsonPatchException, JsonPatchPathNotFound, JsonPatchTestFailed
from jsonpointer import JsonPointerException

from infra.requests.redaction import MASK, compile_redaction, is_secret_member
from schemas.bodies import BodyError, is_form, parse_json
from schemas.encoding import record_bytes

#: Operations of one patch.
OPERATIONS_MAX = 100
Operation = dict[str, Any]
_WORDS: Sequence[tuple[type[Exception], str]] = (
    (JsonPatchTestFailed, "the body has another value at its path"),
    (JsonPatchPathNotFound, "the body has nothing at its path"),
    (InvalidJsonPatch, "it is not an operation of RFC 6902: a member is missing or wrong"),
    (JsonPointerException, "its path leads nowhere in the body"),
)


class PatchError(ValueError):
    """The patch cannot be applied; says which operation, and why. Holds nothing of the body."""

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.path = "patch" if number is None else f"patch.{number}"


def patched(body: bytes, content_type: str | None, operations: Sequence[Operation], *, bytes_max: int) -> bytes:
    """The body after every operation. Integers keep all their digits. Raises PatchError."""
    document = _parsed(body, content_type)
    for number, operation in enumerate(operations):
        try:
            document = JsonPatch([operation]).apply(document, in_place=True)
        except (JsonPatchException, JsonPointerException, TypeError) as error:
            raise PatchError(f"{operation.get('op')}: {_why(error)}", number) from error
        # Each copy may double the document: it is measured before the next one can.
        if operation.get("op") == "copy" and len(record_bytes(document)) > bytes_max:
            raise PatchError(f"copy: the body grows beyond {bytes_max} bytes", number)
    changed = record_bytes(document)
    if len(changed) > bytes_max:
        raise PatchError(f"the body would have {len(changed)} bytes, the webhook takes {bytes_max} at most")
    return changed


def shown_operations(
    operations: Sequence[Operation], redact_paths: Sequence[str], bodies: Sequence[bytes]
) -> list[Operation]:
    """The operations as they may be kept and seen: without their values where anything of the bodies is masked."""
    values = [operation["value"] for operation in operations if "value" in operation]
    redaction = compile_redaction(tuple(redact_paths))
    names = {name for operation in operations for name in str(operation.get("path")).split("/")}
    if (
        not redact_paths
        and not any(map(is_secret_member, names))
        and not any(redaction.show(body, None).redacted for body in (*bodies, record_bytes(values)))
    ):
        return [dict(operation) for operation in operations]
    return [operation | {"value": MASK} if "value" in operation else dict(operation) for operation in operations]


def _parsed(body: bytes, content_type: str | None) -> Any:
    if is_form(content_type):
        raise PatchError("the body is a form: give a whole body")
    try:
        parse_json(body)
        return json.loads(body.decode("utf-8-sig") or "null")
    except (BodyError, ValueError) as error:
        raise PatchError("the body is not JSON: give a whole body") from error


def _why(error: Exception) -> str:
    """In words of our own: the library's may quote the document."""
    return next((words for kind, words in _WORDS if isinstance(error, kind)), "it does not fit what is at its path")
