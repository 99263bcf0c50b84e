"""Delivery records as the outcome columns of `deliveries`.

What processors say and what the handler (actions, workflows) says are two groups of columns, so that a repeated
record of the processors never covers the handler's. Records of one delivery in one batch become one row, the last of
each group: a merge could not tell which of two rows of one insert is the later. `is_test`, `replay_id` and
`replayed_from`, which the request's row has too, tell a test or a replay from its outcome alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from pydantic import TypeAdapter

from infra.retention.days import ReadRetention, Retention, no_retention
from schemas.records import DeliveryRecord
from sinks.clickhouse.core.rows import (
    ConsumedRecord,
    Rows,
    Source,
    Undecodable,
    check_ids,
    check_integer,
    check_time,
    expiries,
    json_text,
    texts,
    times,
)

_parse = TypeAdapter(DeliveryRecord).validate_json
_ATTEMPTS_LAST = 2**32 - 1
_Group = tuple[object, ...]
_NO_GROUP: _Group = (None,) * 12
_PROCESSORS = "processors"


@dataclass(slots=True)
class _Outcome:
    tenant_id: str
    webhook_id: str
    received_at: int
    delivery_id: str
    is_test: bool
    replay_id: str | None
    replayed_from: str | None
    processed: _Group = _NO_GROUP
    handled: _Group = _NO_GROUP
    requested_at: int | None = None


def build_outcomes(
    records: Sequence[ConsumedRecord], source: Source, *, read_retention: ReadRetention = no_retention
) -> list[Rows]:
    """Rows of `deliveries`, and of `undecodable_records` for what cannot be read."""
    undecodable = Undecodable(source)
    by_delivery: dict[tuple[str, str, int, str], _Outcome] = {}
    for record in records:
        try:
            _fold(by_delivery, _checked(record), record.offset() or 0)
        except ValueError as error:
            undecodable.add(record, error)
    built = [_deliveries(list(by_delivery.values()), source, read_retention())] if by_delivery else []
    kept = undecodable.build()
    return [*built, kept] if kept is not None else built


def _checked(record: ConsumedRecord) -> DeliveryRecord:
    parsed = _parse(record.value() or b"")
    check_ids(parsed.tenant_id, parsed.webhook_id, parsed.delivery_id)
    check_time("received_at", parsed.received_at)
    check_time("recorded_at", parsed.recorded_at)
    if parsed.action_requested_at is not None:
        check_time("action_requested_at", parsed.action_requested_at)
    check_integer("attempts", parsed.attempts, _ATTEMPTS_LAST)
    return parsed


def _fold(by_delivery: dict[tuple[str, str, int, str], _Outcome], parsed: DeliveryRecord, offset: int) -> None:
    key = (parsed.tenant_id, parsed.webhook_id, parsed.received_at, parsed.delivery_id)
    outcome = by_delivery.get(key)
    if outcome is None:
        outcome = by_delivery[key] = _Outcome(*key, parsed.is_test, parsed.replay_id, parsed.replayed_from)
    error = parsed.error
    group: _Group = (
        parsed.dispatch_status,
        parsed.recorded_at,
        "" if parsed.handler_outcome is None else json_text(parsed.handler_outcome),
        "" if error is None else error.code.value,
        "" if error is None else error.message,
        "" if error is None else error.path or "",
        parsed.duplicate_of or "",
        parsed.attempts,
        json_text(parsed.metadata) if parsed.metadata else "",
        *_handled_by(parsed),
        offset,
    )
    if parsed.stage == _PROCESSORS:
        outcome.processed = group
    else:
        outcome.handled = group
        outcome.requested_at = parsed.action_requested_at


def _handled_by(parsed: DeliveryRecord) -> tuple[str, str]:
    """Handler and action; records of releases that did not say so name the action in its outcome."""
    action = parsed.action or (parsed.handler_outcome or {}).get("action")
    action = action if isinstance(action, str) else ""
    return parsed.handler or ("action" if action else ""), action


def _deliveries(outcomes: Sequence[_Outcome], source: Source, retention: Retention) -> Rows:
    received_at = [outcome.received_at for outcome in outcomes]
    settings = retention.of_webhooks([one.tenant_id for one in outcomes], [one.webhook_id for one in outcomes])
    columns = {
        "tenant_id": texts([outcome.tenant_id for outcome in outcomes]),
        "webhook_id": texts([outcome.webhook_id for outcome in outcomes]),
        "received_at": times(received_at),
        "delivery_id": texts([outcome.delivery_id for outcome in outcomes]),
        "is_test": pa.array([outcome.is_test for outcome in outcomes], pa.bool_()),
        "replay_id": texts([outcome.replay_id for outcome in outcomes]),
        "replayed_from": texts([outcome.replayed_from for outcome in outcomes]),
        **_group_columns("processed", [outcome.processed for outcome in outcomes], source),
        **_group_columns("handled", [outcome.handled for outcome in outcomes], source),
        "handled_requested_at": times([outcome.requested_at for outcome in outcomes]),
        **expiries(settings, received_at),
    }
    offsets = ([outcome.processed[-1] for outcome in outcomes], [outcome.handled[-1] for outcome in outcomes])
    return Rows("deliveries", pa.table(columns), offsets, "present_outcomes", min(received_at), max(received_at))


def _group_columns(prefix: str, groups: Sequence[_Group], source: Source) -> dict[str, pa.Array]:
    status, recorded_at, outcome, code, message, path, duplicate_of, attempts, metadata, handler, action, offset = zip(
        *groups, strict=True
    )
    partitions = [None if value is None else source.partition for value in offset]
    incarnations = [None if value is None else source.incarnation for value in offset]
    return {
        f"{prefix}_status": texts(status),
        f"{prefix}_at": times(recorded_at),
        f"{prefix}_outcome": texts(outcome),
        f"{prefix}_error_code": texts(code),
        f"{prefix}_error_message": texts(message),
        f"{prefix}_error_path": texts(path),
        f"{prefix}_duplicate_of": texts(duplicate_of),
        f"{prefix}_attempts": pa.array(attempts, pa.uint32()),
        f"{prefix}_metadata": texts(metadata),
        f"{prefix}_handler": texts(handler),
        f"{prefix}_action": texts(action),
        f"{prefix}_incarnation": texts(incarnations),
        f"{prefix}_partition": pa.array(partitions, pa.uint32()),
        f"{prefix}_offset": pa.array(offset, pa.uint64()),
    }
