"""What an action's fields are changed to before it is tried again, and how a change is known again. Pure."""

import json
from hashlib import sha256
from typing import Any

from management.dead_letters.schemas import CHANGES, LetterRedrive
from management.errors import Problem, ValidationFailedError
from management.replaying.changes import PatchError, patched
from schemas.encoding import record_bytes

#: As much as a record takes.
_FIELDS_BYTES_MAX = 16_777_216


def changed_fields(given: LetterRedrive, fields: dict[str, Any]) -> dict[str, Any] | None:
    """The fields that an action is to have; None: its own. Raises ValidationFailedError."""
    for name in ("body", "body_base64"):
        if name in given.model_fields_set:
            raise ValidationFailedError([Problem(name, "is of a request; an action has fields")])
    if given.patch is None:
        return given.fields
    try:
        made = patched(record_bytes(fields), None, given.operations, bytes_max=_FIELDS_BYTES_MAX)
    except PatchError as error:
        raise ValidationFailedError([Problem(error.path, str(error))]) from error
    found = json.loads(made)
    if not isinstance(found, dict):
        raise ValidationFailedError([Problem("patch", "leaves no object of fields")])
    return found


def digest_of(given: LetterRedrive | None) -> bytes | None:
    """By which a change is known again; None: there is none."""
    if given is None or not given.model_fields_set & set(CHANGES):
        return None
    return sha256(given.model_dump_json(include=set(CHANGES), exclude_unset=True, by_alias=True).encode()).digest()
