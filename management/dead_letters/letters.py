"""A record of a dead-letter topic: where it stands, whose it is, and what is said about it. Pure.

Whose it is decides who may ever see it, so nothing is guessed: a request names its tenant in headers that decode as a
whole, an action in its header, and its command must not name another one.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from pydantic import ValidationError

from infra.topics import ACTION_DEAD_LETTERS, REQUEST_DEAD_LETTERS
from management.replaying.places import Place
from schemas import headers as record_headers
from schemas.headers import HeaderError
from schemas.records import DeadLetter

LETTER_TOPICS = (REQUEST_DEAD_LETTERS, ACTION_DEAD_LETTERS)
#: Of a letter that does not say what went wrong, or not as we write it.
UNKNOWN = "unknown"
_LETTERS = UUID("0b5d2f5e-58a3-5d0c-9c59-6f1c8e1b7a44")
_STAGE = re.compile(r"[a-z]{1,32}")
_PLACE = re.compile(r"([^:]{1,249}):([0-9]{1,9}):([0-9]{1,18})", re.ASCII)

RawHeaders = Sequence[tuple[str, bytes | None]]


class Owner(NamedTuple):
    """Whose a letter is; tenant None: nobody's. The webhook is None, too, where a command does not say it."""

    tenant_id: UUID | None = None
    webhook_id: UUID | None = None
    delivery_id: UUID | None = None


class Letter(NamedTuple):
    """A record as it was, without the header that made it a letter: that is `failure`, None where it has none."""

    place: Place
    key: bytes | None
    value: bytes
    headers: RawHeaders
    owner: Owner
    failure: DeadLetter | None
    failed_at_us: int


NOBODY = Owner()


def letter_id_of(place: Place) -> UUID:
    """The place as a UUID, which orders letters of one moment."""
    return uuid5(_LETTERS, str(place))


def parse_place(text: str) -> Place | None:
    """The place that an id names, `topic:partition:offset`; None: it is no letter's."""
    matched = _PLACE.fullmatch(text)
    if matched is None or matched[1] not in LETTER_TOPICS:
        return None
    return Place(matched[1], int(matched[2]), int(matched[3]))


def parse_letter(
    place: Place, key: bytes | None, value: bytes | None, headers: RawHeaders | None, *, timestamp_ms: int
) -> Letter:
    """Never fails: what does not fit makes it nobody's, or leaves it without a `failure`."""
    told = dict(headers or ()).get(record_headers.DEAD_LETTER)
    kept = [(name, content) for name, content in headers or () if name != record_headers.DEAD_LETTER]
    failure = None if told is None else _failure(told)
    body = value or b""
    owner = NOBODY if failure is None else owner_of(place.topic, kept, body)
    failed_at_us = timestamp_ms * 1_000 if failure is None else failure.failed_at
    return Letter(place, key, body, kept, owner, failure, failed_at_us)


def owner_of(topic: str, headers: RawHeaders, value: bytes) -> Owner:
    """Whose record this is."""
    return _owner_of_action(headers, value) if topic == ACTION_DEAD_LETTERS else _owner_of_request(headers)


def command_of(value: bytes) -> dict[str, Any] | None:
    """The members of an action's command; None: the value is no JSON object."""
    try:
        found = json.loads(value)  # which keeps the digits of large integers
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _failure(told: bytes) -> DeadLetter | None:
    try:
        failure = DeadLetter.model_validate_json(told)
    except ValidationError:
        return None
    return failure if _STAGE.fullmatch(failure.stage) else None


def _owner_of_request(headers: RawHeaders) -> Owner:
    try:
        decoded = record_headers.decode(headers)
        return Owner(UUID(decoded.tenant_id), UUID(decoded.webhook_id), UUID(decoded.delivery_id))
    except (HeaderError, ValueError):
        return NOBODY


def _owner_of_action(headers: RawHeaders, value: bytes) -> Owner:
    by_name = dict(headers)
    tenant_id, delivery_id = (
        _uuid(by_name.get(name)) for name in (record_headers.TENANT_ID, record_headers.DELIVERY_ID)
    )
    if tenant_id is None or delivery_id is None:
        return NOBODY
    command = command_of(value) or {}
    for name, expected in (("tenant_id", tenant_id), ("delivery_id", delivery_id)):
        if name in command and _member(command, name) != expected:
            return NOBODY
    return Owner(tenant_id, _member(command, "webhook_id"), delivery_id)


def _member(command: dict[str, Any], name: str) -> UUID | None:
    value = command.get(name)
    return _uuid(value.encode("utf-8", "replace")) if isinstance(value, str) else None


def _uuid(text: bytes | None) -> UUID | None:
    try:
        return None if text is None else UUID(text.decode("ascii"))
    except ValueError:
        return None
