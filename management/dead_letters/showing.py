"""Letters as the API shows them: nothing is seen here that the log would not show. Pure."""

import base64
from typing import Any, NamedTuple

from pydantic import ValidationError

from infra.clock import MICROSECONDS, rfc3339, rfc3339_of
from infra.postgres import Row
from infra.requests.redaction import compile_redaction
from infra.topics import REQUEST_DEAD_LETTERS
from management.dead_letters.letters import Letter, command_of
from management.dead_letters.repository import place_of
from management.dead_letters.schemas import DeadCommand, DeadLetter, DeadLetterDetail
from management.deliveries.schemas import DeliveredRequest
from management.log_texts import RawRecord
from management.paging import LAST_US
from management.replaying.places import Lost
from schemas import headers as record_headers
from schemas.bodies import BodyError, parse_body
from schemas.records import RequestFacts

ERASED = "its body was erased"
EXPIRED = "the retention of its webhook's bodies ended"
_HIDDEN_MESSAGE = "hidden: it may quote the body, of which the webhook masks a part"
_DAY_US = 86_400 * MICROSECONDS


class Visibility(NamedTuple):
    """What of a letter may be seen: `withheld` says why nothing; `redact_paths` are the webhook's now."""

    withheld: str | None
    redact_paths: tuple[str, ...]


def withheld_reason(letter: Letter, *, is_erased: bool, body_days: int, now_us: int) -> str | None:
    """Why the log would not show the body any more. An id without a time in it is as old as its failure."""
    delivery_id = letter.owner.delivery_id
    of_time = delivery_id is not None and delivery_id.version == 7
    received_us = (delivery_id.int >> 80) * 1_000 if of_time and delivery_id is not None else letter.failed_at_us
    if is_erased:
        return ERASED
    return EXPIRED if received_us + body_days * _DAY_US <= now_us else None


def shown_letter(row: Row) -> DeadLetter:
    """A letter as lists show it."""
    return DeadLetter(**_members(row))


def shown_detail(row: Row, letter: Letter | Lost, visibility: Visibility) -> DeadLetterDetail:
    """A letter with its record, as far as that may be seen."""
    withheld = letter.reason if isinstance(letter, Lost) else visibility.withheld
    parts = dict.fromkeys(("message", "origin", "received_at", "idempotency_key", "request", "command"))
    if not isinstance(letter, Lost):
        origin = None if letter.failure is None else letter.failure.origin.model_dump()
        parts["origin"] = None if origin is None else RawRecord(**origin)
        if withheld is None:
            parts |= _contents(letter, visibility.redact_paths)
    return DeadLetterDetail(**_members(row), **parts, withheld=withheld)


def _contents(letter: Letter, redact_paths: tuple[str, ...]) -> dict[str, Any]:
    message = None if letter.failure is None else letter.failure.message
    if letter.place.topic != REQUEST_DEAD_LETTERS:
        # What a field holds may have come from a part of the body that is masked: nobody can tell any more.
        command = command_of(letter.value)
        shown = None if command is None else _command(command, hides_fields=bool(redact_paths))
        return {"message": _HIDDEN_MESSAGE if redact_paths else message, "command": shown}
    headers = record_headers.decode(letter.headers)
    is_time, key = 0 <= headers.received_at_us <= LAST_US, headers.dedupe_key
    common = {
        "received_at": rfc3339(headers.received_at_us) if is_time else None,
        "idempotency_key": None if key is None else key.encode("utf-8", "replace").decode(),
    }
    try:
        facts = RequestFacts.model_validate_json(headers.request)
    except ValidationError:
        return {**common, "message": _HIDDEN_MESSAGE if redact_paths else message}
    paths = tuple(dict.fromkeys([*facts.redact_paths, *redact_paths]))
    request = _request(letter.value, facts, paths)
    return {**common, "message": _scrubbed(message, letter.value, facts, paths), "request": request}


def _request(body: bytes, facts: RequestFacts, paths: tuple[str, ...]) -> DeliveredRequest:
    shown = compile_redaction(paths).show(body, facts.content_type)
    try:
        text, is_text = shown.body.decode(), True
    except UnicodeDecodeError:
        text, is_text = base64.b64encode(shown.body).decode(), False
    return DeliveredRequest(
        method=facts.method,
        path=facts.path,
        query=facts.query,
        headers=facts.headers,
        body=text,
        body_encoding="text" if is_text else "base64",
        body_bytes=len(body),
        body_truncated=False,
        body_redacted=shown.redacted,
        content_type=facts.content_type,
    )


def _scrubbed(message: str | None, body: bytes, facts: RequestFacts, paths: tuple[str, ...]) -> str | None:
    """An unexpected error quotes what it likes."""
    if message is None:
        return None
    try:
        value = parse_body(body, facts.content_type)
    except BodyError:
        return _HIDDEN_MESSAGE if paths else message
    return compile_redaction(paths).scrub(message, value)


def _command(command: dict[str, Any], *, hides_fields: bool) -> DeadCommand:
    fields, action, version = command.get("fields"), command.get("action"), command.get("config_version")
    masked = compile_redaction(()).mask(fields if isinstance(fields, dict) else None)
    return DeadCommand(
        action=action if isinstance(action, str) else None,
        fields=None if hides_fields else masked.value,
        fields_redacted=hides_fields or masked.changed,
        config_version=version if isinstance(version, int) else None,
        is_test=command.get("is_test") is True,
    )


def _members(row: Row) -> dict[str, Any]:
    topic, partition, offset = place_of(row)
    return {
        "id": str(place_of(row)),
        **{"topic": topic, "partition": partition, "offset": offset},
        **{name: row[name] for name in ("webhook_id", "delivery_id", "stage", "code", "record_bytes", "state")},
        "failed_at": rfc3339_of(row["failed_at"]),
        "decided_at": None if row["decided_at"] is None else rfc3339_of(row["decided_at"]),
        **{name: row[name] for name in ("decided_by", "reason", "new_delivery_id")},
        "is_published": row["published_at"] is not None,
    }
