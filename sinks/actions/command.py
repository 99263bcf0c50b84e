"""A record of actions.action.requested.v1 as the command to run, parsed once."""

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from infra.actions.core.options import check_options, namespace_of
from infra.actions.registry import ActionRegistry, RegisteredAction
from infra.ids import command_id
from schemas.actions import ActionDefinition, ActionError
from schemas.headers import TRACEPARENT
from schemas.records import ActionRequest, ErrorCode
from sinks.actions.errors import MalformedRecordError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

RawHeaders = Sequence[tuple[str, bytes | None]] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingCommand:
    """One action to run. `refusal`: it fails without being run (unknown action, bad option, field problem).

    Commands that share a part of `ordering` must keep their order: one external id of a namespace (else one delivery),
    and one key of their records, which is that of the request where its webhook has an ordering key.
    """

    request: ActionRequest
    tenant_id: UUID
    webhook_id: UUID
    namespace_id: UUID
    delivery_id: UUID
    replay_id: UUID | None
    command_id: UUID
    received_at: datetime
    ordering: tuple[Hashable, ...]
    definition: ActionDefinition | None
    values: Mapping[str, Any]
    options: Mapping[str, str]
    refusal: ActionError | None
    traceparent: str | None
    trace_id: str | None


def moment(at_us: int) -> datetime:
    """Microseconds since the epoch as a time in UTC."""
    return _EPOCH + timedelta(microseconds=at_us)


def parse_command(
    value: bytes | None, headers: RawHeaders, registry: ActionRegistry, *, key: bytes | None = None
) -> PendingCommand:
    """The command of a record with this value and key. Raises MalformedRecordError."""
    try:
        request = ActionRequest.model_validate_json(value or b"")
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        member = ".".join(str(part) for part in first["loc"]) or "the value"
        raise MalformedRecordError(f"{member}: {first['msg']}") from None
    if request.release_key is not None:
        _hex(request.release_key)
    action = registry.get(request.action)
    values, options, refusal = _checked(request, action)
    namespace = namespace_of(options, request.webhook_id)
    traceparent, trace_id = _trace(headers)
    return PendingCommand(
        request=request,
        tenant_id=_uuid("tenant_id", request.tenant_id),
        webhook_id=_uuid("webhook_id", request.webhook_id),
        namespace_id=_uuid("webhook_id", namespace),
        delivery_id=_uuid("delivery_id", request.delivery_id),
        replay_id=None if request.replay_id is None else _uuid("replay_id", request.replay_id),
        command_id=command_id(request.delivery_id, request.replay_id or "", request.action),
        received_at=_received_at(request.received_at),
        ordering=((namespace, values.get("external_id") or request.delivery_id), *(() if key is None else (key,))),
        definition=None if action is None else action.definition,
        values=values,
        options=options,
        refusal=refusal,
        traceparent=traceparent,
        trace_id=trace_id,
    )


def _checked(
    request: ActionRequest, action: RegisteredAction | None
) -> tuple[Mapping[str, Any], Mapping[str, str], ActionError | None]:
    """Fields and options, checked against this process's declaration: the sender's may be another release's."""
    if action is None:
        return {}, {}, ActionError(ErrorCode.ACTION_UNKNOWN, f"there is no action {request.action}")
    coerced = action.coercer.coerce(request.fields)
    options = check_options(action.definition, request.options)
    problems = [*options.problems, *coerced.problems]
    if not problems:
        return coerced.fields, options.values, None
    message = "; ".join(problem.message for problem in problems)
    field = coerced.problems[0].field if coerced.problems else None
    return {}, {}, ActionError(ErrorCode.VALIDATION_ERROR, message, field)


@lru_cache(maxsize=4_096)  # a batch names few tenants and webhooks, again and again
def _uuid(member: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise MalformedRecordError(f"{member}: not a UUID") from None


def _hex(text: str) -> None:
    try:
        bytes.fromhex(text)
    except ValueError:
        raise MalformedRecordError("release_key: not hexadecimal") from None


def _received_at(at_us: int) -> datetime:
    try:
        return moment(at_us)
    except OverflowError:
        raise MalformedRecordError("received_at: out of range") from None


def _trace(headers: RawHeaders) -> tuple[str | None, str | None]:
    for name, value in headers or ():
        if name == TRACEPARENT and value is not None:
            text = value.decode("ascii", "replace")
            match = _TRACEPARENT.fullmatch(text)
            return (text, match.group(1)) if match else (None, None)
    return None, None
