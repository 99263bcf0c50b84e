"""Values of a comparison as they may be seen: what is masked in the body is masked in them, and long ones are cut."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from infra.requests.errors import RecordRefusedError
from infra.requests.filters import StoppedBy
from infra.requests.redaction import MASK, compile_redaction
from management.comparing.differences import Failure, FieldDifference
from management.comparing.schemas import ChangedField, ComparedFailure, ComparedRule
from schemas.bodies import BodyError, parse_body

#: Characters of the JSON text of a value that is shown.
VALUE_LENGTH_MAX = 1_000


def shown_fields(
    found: Sequence[FieldDifference], body: bytes, content_type: str | None, redact_paths: Iterable[str]
) -> list[ChangedField]:
    """Fields that differ, without what is masked in the body they were made of."""
    if not found:
        return []
    sides = [{one.field: one.then for one in found}, {one.field: one.now for one in found}]
    try:
        value = parse_body(body, content_type)
    except (BodyError, RecordRefusedError):
        then, now = ({one.field: MASK for one in found} for _ in sides)
    else:
        redaction = compile_redaction(tuple(dict.fromkeys(redact_paths)))
        then, now = (redaction.scrub_values(side, value) for side in sides)
    return [
        ChangedField(field=one.field, change=one.change, then=_cut(then[one.field]), now=_cut(now[one.field]))
        for one in found
    ]


def shown_failure(failure: Failure | None) -> ComparedFailure | None:
    """Its message holds nothing that is masked: plans see to that, and so does the log."""
    return None if failure is None else ComparedFailure(code=failure.code, message=failure.message, path=failure.path)


def shown_rule(stopped_by: StoppedBy | None) -> ComparedRule | None:
    """The rule that stops a request."""
    return None if stopped_by is None else ComparedRule(path=stopped_by.path, rule=stopped_by.rule)


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= VALUE_LENGTH_MAX else f"{value[:VALUE_LENGTH_MAX]}…"
    if not isinstance(value, list | dict):
        return value
    text = orjson.dumps(value).decode()
    return value if len(text) <= VALUE_LENGTH_MAX else f"{text[:VALUE_LENGTH_MAX]}…"
