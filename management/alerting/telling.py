"""Alerts as domain events show them: the same members as in the API."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from infra.clock import now_us, rfc3339_of
from infra.entities.outbox import Cause, OutboxRow, outbox_row
from infra.ids import uuid7_text
from infra.postgres import Row

ALERT = "alert"
RAISED = "alert.raised"
RESOLVED = "alert.resolved"
ACKNOWLEDGED = "alert.acknowledged"
_HOPS = 1
_SYSTEM = {"type": "system", "id": str(UUID(int=0)), "name": "hookline"}
_MEMBERS = (
    *("id", "rule", "subject", "webhook_id", "severity", "state", "message", "details", "raised_at", "resolved_at"),
    *("resolution", "acknowledged_at", "acknowledged_by"),
)


def shown(row: Row) -> dict[str, Any]:
    """An alert's members from its row; times are RFC 3339."""
    return {name: rfc3339_of(row[name]) if isinstance(row[name], datetime) else row[name] for name in _MEMBERS}


def told(event_type: str, row: Row, cause: Cause, *, at: datetime, changes: Mapping[str, Any]) -> OutboxRow:
    """The event of a change that led to `row`, which is of a tenant."""
    return outbox_row(
        event_type,
        event_id=UUID(uuid7_text(now_us())),
        occurred_at=at,
        tenant_id=row["tenant_id"],
        entity_type=ALERT,
        entity_id=row["id"],
        cause=cause,
        data=shown(row),
        changes=changes,
    )


def told_raised(row: Row, evaluation_id: str) -> OutboxRow:
    """Of an alert that an evaluation has opened."""
    return told(RAISED, row, _cause(evaluation_id), at=row["raised_at"], changes={})


def told_resolved(row: Row, evaluation_id: str) -> OutboxRow:
    """Of an alert that an evaluation has closed."""
    changes = {"state": {"previous": "open", "new": "resolved"}}
    return told(RESOLVED, row, _cause(evaluation_id), at=row["resolved_at"], changes=changes)


def _cause(evaluation_id: str) -> Cause:
    return Cause(_SYSTEM, evaluation_id, _HOPS)
