"""What the action sink produces: outcomes, key releases and dead letters."""

from typing import Any

from confluent_kafka import TIMESTAMP_CREATE_TIME, Message

from infra.topics import ACTION_DEAD_LETTERS, RECORDED, RELEASED
from schemas.encoding import record_bytes
from schemas.headers import DEAD_LETTER, TRACEPARENT
from schemas.records import DispatchStatus, ErrorCode
from sinks.actions.command import PendingCommand
from sinks.actions.execution import Outcome

STAGE = "actions"
HANDLER = "action"


def requested_at_us(message: Message) -> int | None:
    """When the action was asked for: the time its record was made."""
    kind, at_milliseconds = message.timestamp()
    return at_milliseconds * 1_000 if kind == TIMESTAMP_CREATE_TIME else None


def delivery_message(
    command: PendingCommand, outcome: Outcome, recorded_at_us: int, *, requested_at_us: int | None
) -> dict[str, Any]:
    """The record of a delivery's end (`schemas.records.DeliveryRecord`), as arguments of `produce`."""
    request = command.request
    failed = outcome.status is DispatchStatus.FAILED
    record = {
        "delivery_id": request.delivery_id,
        "tenant_id": request.tenant_id,
        "webhook_id": request.webhook_id,
        "received_at": request.received_at,
        "recorded_at": recorded_at_us,
        "stage": STAGE,
        "dispatch_status": outcome.status,
        "handler_outcome": None if failed else outcome.body,
        "error": outcome.body if failed else None,
        "duplicate_of": None,
        "attempts": outcome.attempts,
        "replay_id": request.replay_id,
        "replayed_from": request.replayed_from,
        "is_test": request.is_test,
        "trace_id": command.trace_id,
        "metadata": request.metadata or None,
        "handler": HANDLER,
        "action": request.action,
        "action_requested_at": requested_at_us,
    }
    headers = [] if command.traceparent is None else [(TRACEPARENT, command.traceparent.encode())]
    key = request.delivery_id.encode()
    return {"topic": RECORDED, "key": key, "value": record_bytes(record), "headers": headers}


def release_message(command: PendingCommand, outcome: Outcome, released_at_us: int) -> dict[str, Any] | None:
    """The release of a failed command's dedupe key (`schemas.records.KeyReleased`); None when there is none."""
    request = command.request
    if outcome.status is not DispatchStatus.FAILED or request.release_key is None:
        return None
    record = {
        "delivery_id": request.delivery_id,
        "tenant_id": request.tenant_id,
        "webhook_id": request.webhook_id,
        "released_at": released_at_us,
        "reason": outcome.body["code"],
    }
    return {
        "topic": RELEASED,
        "key": bytes.fromhex(request.release_key),
        "value": record_bytes(record),
        "partition": request.origin.partition,
    }


def dead_letter_message(message: Message, reason: str, *, incarnation: str, failed_at_us: int) -> dict[str, Any]:
    """The record as it came, with a header that says what went wrong (`schemas.records.DeadLetter`)."""
    letter = {
        "stage": STAGE,
        "code": ErrorCode.INTERNAL,
        "message": reason,
        "origin": {
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
            "incarnation": incarnation,
        },
        "failed_at": failed_at_us,
    }
    kept = [(name, value) for name, value in message.headers() or [] if name != DEAD_LETTER]
    return {
        "topic": ACTION_DEAD_LETTERS,
        "key": message.key(),
        "value": message.value(),
        "headers": [*kept, (DEAD_LETTER, record_bytes(letter))],
    }
