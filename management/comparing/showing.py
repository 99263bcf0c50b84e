"""Values of a comparison as they may be seen: what is masked in the body is masked in them, and long ones are cut."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import orjson

from infra.requests.filters import StoppedBy
from infra.requests.redaction import compile_redaction
from management.comparing.differences import Failure, FieldDifference
from management.comparing.schemas import ChangedField, ComparedFailure, ComparedRule
from management.replaying.places import FoundRecord
from schemas.bodies import BodyError, parse_body

#: Characters of a text, or of the JSON of another value, that are shown.
VALUE_LENGTH_MAX = 1_000


class Shower:
    """Shows what was made of one request. `redact_paths` are those of its record and of both configurations."""

    def __init__(self, found: FoundRecord, redact_paths: Iterable[str]) -> None:
        self._found = found
        self._redaction = compile_redaction(tuple(dict.fromkeys([*found.facts.redact_paths, *redact_paths])))

    def fields(self, found: Sequence[FieldDifference]) -> list[ChangedField]:
        """Fields that differ."""
        if not found:
            return []
        then = self._scrubbed({one.field: one.then for one in found})
        now = self._scrubbed({one.field: one.now for one in found})
        return [
            ChangedField(field=one.field, change=one.change, then=_cut(then[one.field]), now=_cut(now[one.field]))
            for one in found
        ]

    def failure(self, failure: Failure | None) -> ComparedFailure | None:
        """Why it fails, whose words may quote the body."""
        if failure is None:
            return None
        [message] = self._scrubbed([failure.message])
        return ComparedFailure(code=failure.code, message=message, path=failure.path)

    def rule(self, stopped_by: StoppedBy | None) -> ComparedRule | None:
        """The rule that stops it, which is of the webhook and not of the body."""
        return None if stopped_by is None else ComparedRule(path=stopped_by.path, rule=stopped_by.rule)

    def _scrubbed(self, made: Any) -> Any:
        try:
            return self._redaction.scrub_values(made, self._body)
        except BodyError:  # nothing can be made of it but words about it
            return made

    @cached_property
    def _body(self) -> Any:
        return parse_body(self._found.value, self._found.facts.content_type)


def _cut(value: Any) -> Any:
    text = orjson.dumps(value).decode() if isinstance(value, list | dict) else value
    if isinstance(text, str) and len(text) > VALUE_LENGTH_MAX:
        return f"{text[:VALUE_LENGTH_MAX]}…"
    return value
