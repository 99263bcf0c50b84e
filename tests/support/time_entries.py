"""Commands of createTimeEntry, and the periods and sheets that their entries belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sinks.actions.execution import Outcome
from tests.support.actions import ActionBase, add, request_of, row_of

ACTION = "createTimeEntry"
UPDATE = {"options": {"on_existing": "update"}}


def prepare(dsn: str) -> ActionBase:
    """A base without a period: the demo's is of the present month, which tests do not know."""
    base = ActionBase.prepare(dsn)
    base.write("DELETE FROM time_periods")
    return base


def request(base: ActionBase, fields: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    """A request of ninety minutes in March; a field given as ... is left out."""
    plain = {
        "user_id": "technician",
        "work_item_type": "ad_hoc",
        "service_id": "Remote support",
        "start_time": "2026-03-02T13:00:00Z",
        "duration_minutes": 90,
    }
    return request_of(base, ACTION, plain | dict(fields), **members)


def book(base: ActionBase, fields: Mapping[str, Any] | None = None, **members: Any) -> Outcome:
    """Book it."""
    (outcome,) = base.run(request(base, fields or {}, **members))
    return outcome


def entry_of(base: ActionBase, outcome: Outcome) -> dict[str, Any]:
    """The entry of a command that succeeded."""
    return row_of(base, "time_entries", outcome)


def add_period(base: ActionBase, start: str = "2026-03-01", end: str = "2026-03-31") -> UUID:
    """A period with both days; its id."""
    return add(base, "time_periods", start_date=start, end_date=end)


def add_sheet(base: ActionBase, period: UUID, status: str = "draft", user: str = "technician") -> UUID:
    """A sheet of the user; its id."""
    return add(base, "time_sheets", user_id=base.tenant.ids[user], period_id=period, status=status)
