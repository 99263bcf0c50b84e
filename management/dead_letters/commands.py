"""An action's letter as a command again: the same command, or one with other fields. Pure.

Nothing but `fields` can be changed: whose command it is, what it does and what it is part of stay as processors wrote
them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import ValidationError

from infra.ids import command_id
from infra.topics import ACTIONS, EXPEDITED_ACTIONS
from management.dead_letters.letters import Letter, command_of
from management.errors import ConflictError
from schemas import headers as record_headers
from schemas.encoding import record_bytes
from schemas.keys import entity_key
from schemas.records import ActionRequest

_OF_ITSELF = "replay its delivery instead, from the request"


class NewCommand(NamedTuple):
    """A record of an action topic."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Renewal(NamedTuple):
    """What makes a command another one, for a delivery that has ended: it runs, and is recorded, as a replay of it."""

    replay_id: UUID
    delivery_id: UUID
    at_us: int


def command_id_of(letter: Letter) -> UUID | None:
    """By which the sink knows whether it has run this command; None: it never can have."""
    command = command_of(letter.value) or {}
    parts = [command.get("delivery_id"), command.get("replay_id") or "", command.get("action")]
    texts = [part for part in parts if isinstance(part, str)]
    return command_id(*texts) if len(texts) == len(parts) else None


def origin_of(letter: Letter) -> UUID | None:
    """The delivery that a replay's command says it is a replay of; None: it is no replay's, or does not say."""
    named = (command_of(letter.value) or {}).get("replayed_from")
    try:
        return UUID(named) if isinstance(named, str) else None
    except ValueError:
        return None


def redriven_command(letter: Letter, fields: Mapping[str, Any] | None, renewal: Renewal | None) -> NewCommand:
    """The command to publish, with these fields instead of its own. Raises ConflictError where there can be none.

    Without a renewal it is the same command, which runs once however often it is published.
    """
    command = _command(letter)
    changed = {**command, "fields": command["fields"] if fields is None else dict(fields)}
    if renewal is not None:
        changed |= {
            "delivery_id": str(renewal.delivery_id),
            "replay_id": str(renewal.replay_id),
            "replayed_from": str(origin_of(letter) or command["delivery_id"]),
            "received_at": renewal.at_us,
            "release_key": None,  # what held its key was forgotten when it failed
        }
    headers = [(name, value) for name, value in letter.headers if value is not None]
    named = [(name, value) for name, value in headers if name != record_headers.DELIVERY_ID]
    named.append((record_headers.DELIVERY_ID, changed["delivery_id"].encode()))
    return NewCommand(_topic(letter), _key(letter, command, changed), record_bytes(changed), named)


def fields_of(letter: Letter) -> dict[str, Any]:
    """What a patch changes. Raises ConflictError."""
    fields: dict[str, Any] = _command(letter)["fields"]
    return fields


def _command(letter: Letter) -> dict[str, Any]:
    command = command_of(letter.value)
    if command is None:
        raise ConflictError(f"its command is no JSON object: {_OF_ITSELF}")
    try:
        ActionRequest.model_validate_json(letter.value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        member = ".".join(str(part) for part in first["loc"]) or "the command"
        raise ConflictError(f"its command cannot be read, {member}: {first['msg']}; {_OF_ITSELF}") from None
    if str(letter.owner.tenant_id) != command["tenant_id"]:
        raise ConflictError(f"its command names its tenant otherwise than its header: {_OF_ITSELF}")
    return command


def _topic(letter: Letter) -> str:
    topic = None if letter.failure is None else letter.failure.origin.topic
    if topic not in (ACTIONS, EXPEDITED_ACTIONS):
        raise ConflictError(f"it does not say which topic it comes from: {_OF_ITSELF}")
    return topic


def _key(letter: Letter, before: Mapping[str, Any], after: Mapping[str, Any]) -> bytes:
    """A key that stands for an external id follows it; one of an ordering key stays."""
    return _entity_key(after) if letter.key == _entity_key(before) else letter.key or b""


def _entity_key(command: Mapping[str, Any]) -> bytes:
    namespace = str(command["options"].get("external_ids_of") or command["webhook_id"]) if "options" in command else ""
    external_id = command["fields"].get("external_id")
    named = external_id if isinstance(external_id, str) and external_id else command["delivery_id"]
    return entity_key(command["tenant_id"], namespace or command["webhook_id"], named)
