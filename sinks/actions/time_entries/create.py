"""createTimeEntry: booked time, which counts for a day where its user is and joins the user's sheet of that day."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from infra.entities.working_time import WorkingTimeError, billable_minutes, end_of_work
from infra.queries import load_queries
from schemas.actions import ActionContext, ActionError, ActionResult, Command
from sinks.actions.choice import Choice, invalid
from sinks.actions.entity_set import EXTERNAL_ID, EntityKind, EntitySet, Row, created, decide_each, updated
from sinks.actions.existing import left_as_it_is
from sinks.actions.time_entries.fields import TYPES
from sinks.actions.time_entries.sheets import TimeSheets, WorkDates
from sinks.actions.time_entries.work_items import WorkItems, load_work_items
from sinks.actions.values import overlaid

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")
TIME_ENTRY = EntityKind(
    "time_entry",
    lock=_QUERIES["lock_entries"],
    insert=_QUERIES["insert_entries"],
    update=_QUERIES["update_entries"],
)
_DEFAULTS = {"is_billable": True}
_PLAIN = ("work_item_type", "duration_minutes", "is_billable", "notes", "tax_region")


def create_time_entries(commands: Sequence[Command]) -> list[ActionResult | ActionError]:
    """Run createTimeEntry for many of one tenant."""
    context = commands[0][0]
    entries = EntitySet(commands, TIME_ENTRY, TYPES)
    work_dates = WorkDates(context, entries.references)
    present = {row["time_sheet_id"] for row in entries.rows.values()} - {None}
    sheets = TimeSheets(context, _bookings(commands, entries, work_dates), present)
    booking = _Booking(entries, load_work_items(commands), work_dates, sheets)
    answers = decide_each(commands, booking.decide)
    sheets.write({row["time_sheet_id"] for row in entries.rows.values()})
    entries.write()
    return answers


def _bookings(commands: Sequence[Command], entries: EntitySet, work_dates: WorkDates) -> set[tuple[UUID, date]]:
    """Users and days of the commands; of those that will be refused there may be none."""
    found: set[tuple[UUID, date]] = set()
    for context, values in commands:
        with suppress(ActionError):
            user_id = Choice(context, values, entries.references).require("user_id").id
            found.add((user_id, work_dates.of(user_id, _start_of(values))))
    return found


@dataclass(frozen=True, slots=True)
class _Booking:
    entries: EntitySet
    work_items: WorkItems
    work_dates: WorkDates
    sheets: TimeSheets

    def decide(self, context: ActionContext, values: Mapping[str, Any]) -> ActionResult:
        before = self.entries.find(context, values)
        if before is None:
            blank = _blank(context)
            entry = self._with_sheet(context, blank, self._booked(context, blank, values))
            entry = self.entries.add(context, entry, values.get(EXTERNAL_ID))
            return created(TIME_ENTRY, entry, values, _name(entry))
        result = left_as_it_is(context, TIME_ENTRY, before, values)
        if result is None:
            after = self._with_sheet(context, before, self._booked(context, before, values))
            result = updated(TIME_ENTRY, after, values, _name(after), self.entries.change(context, after))
        return result

    def _booked(self, context: ActionContext, before: Row, values: Mapping[str, Any]) -> Row:
        """`before` with what is mapped and what follows from it, still on the sheet it was on."""
        choice = Choice(context, values, self.entries.references)
        entry = overlaid(before, values, _PLAIN, _DEFAULTS) | self.work_items.columns(context, values)
        if entry["work_item_type"] == "non_billable_category":
            if values.get("is_billable"):
                raise invalid("is_billable", "is_billable must not be true for a non-billable category")
            entry["is_billable"] = False
        user_id, start = choice.require("user_id").id, _start_of(values)
        if (user_id, start) != (before["user_id"], before["start_time"]):
            entry["work_date"] = self.work_dates.of(user_id, start)
        return entry | {
            "user_id": user_id,
            "service_id": choice.require("service_id").id,
            "start_time": start,
            "end_time": _end_of(start, entry["duration_minutes"]),
            "billable_minutes": billable_minutes(entry["duration_minutes"], is_billable=entry["is_billable"]),
        }

    def _with_sheet(self, context: ActionContext, before: Row, entry: Row) -> Row:
        """`entry` on the sheet of its user and day. What has changed must not have been handed in."""
        if before["time_sheet_id"] is not None and entry != before:
            self.sheets.require_draft(before["time_sheet_id"], EXTERNAL_ID)
        if (entry["user_id"], entry["work_date"]) == (before["user_id"], before["work_date"]):
            return entry
        return entry | {"time_sheet_id": self.sheets.join(context, entry["user_id"], entry["work_date"])}


def _blank(context: ActionContext) -> Row:
    return {
        "id": context.new_id(),
        "user_id": None,
        "start_time": None,
        "is_billable": _DEFAULTS["is_billable"],
        "work_date": None,
        "time_sheet_id": None,
        "notes": None,
        "tax_region": None,
        "webhook_id": context.webhook_id,
        "delivery_id": context.delivery_id,
    }


def _start_of(values: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(values["start_time"])


def _end_of(start: datetime, duration_minutes: int) -> datetime:
    try:
        return end_of_work(start, duration_minutes)
    except WorkingTimeError as error:
        raise invalid(error.field, f"{error.field}: {error}") from None


def _name(entry: Row) -> str:
    return f"of {entry['duration_minutes']} minutes"
