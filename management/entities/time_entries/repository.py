"""Time entries in Postgres; every statement is for one tenant."""

from datetime import date
from pathlib import Path
from uuid import UUID

from infra.clock import now_us
from infra.entities.documents import Row
from infra.entities.working_time import WorkingTimeError, billable_minutes, end_of_work, work_date
from infra.ids import uuid7_text
from infra.postgres import Connection, Pool
from management.access import Actor
from management.entities.references import References, refuse
from management.entities.repository import EntityRepository, EntityTable
from management.errors import ConflictError, Problem

_ITEMS = {
    "ticket": "ticket_id",
    "project_task": "project_task_id",
    "non_billable_category": "non_billable_category_id",
    "interaction": "interaction_id",
}
_TABLE = EntityTable(
    resource="time_entry",
    folder=Path(__file__).parent,
    columns=(
        *("user_id", "work_item_type", *_ITEMS.values(), "service_id", "start_time", "end_time", "duration_minutes"),
        *("is_billable", "billable_minutes", "work_date", "time_sheet_id", "notes", "tax_region", "webhook_id"),
        "delivery_id",
    ),
    taken={},
    unknown={
        "time_entries_user_fkey": Problem("user_id", "there is no such user"),
        "time_entries_ticket_fkey": Problem("work_item_id", "there is no such ticket"),
        "time_entries_project_task_fkey": Problem("work_item_id", "there is no such project task"),
        "time_entries_category_fkey": Problem("work_item_id", "there is no such non-billable category"),
        "time_entries_interaction_fkey": Problem("work_item_id", "there is no such interaction"),
        "time_entries_service_fkey": Problem("service_id", "there is no such service"),
        "time_entries_category_is_free": Problem("is_billable", "a non-billable category is never billed"),
    },
    in_use="something refers to this time entry",
    told_as="time_entry",
    mapped_as="time_entry",
)
_DRAFT = "draft"


class TimeEntryRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)

    def completed(self, connection: Connection, actor: Actor, before: Row | None, row: Row) -> Row:
        """With its end, its day and what is billed, on the sheet of its user and day; what was handed in stays."""
        old = before or {}
        References(connection, actor.tenant_id).require_changed(old, row, {"user_id": "user", "service_id": "service"})
        row = row | self._work_item(connection, actor, old, row)
        if row["is_billable"] is None or ("is_billable" not in row["given"] and _is_free(row)):
            row["is_billable"] = not _is_free(row)
        try:
            row["end_time"] = end_of_work(row["start_time"], row["duration_minutes"])
            is_moved = any(old.get(name) != row[name] for name in ("user_id", "start_time"))
            if is_moved:
                row["work_date"] = work_date(row["start_time"], self._time_zone(connection, actor, row["user_id"]))
        except WorkingTimeError as error:
            refuse(error.field, str(error))
        row["billable_minutes"] = billable_minutes(row["duration_minutes"], is_billable=row["is_billable"])
        if before is not None and any(before[name] != row[name] for name in self.table.columns):
            self.check_deletion(connection, actor, before)
        if any(old.get(name) != row[name] for name in ("user_id", "work_date")):
            row["time_sheet_id"] = self._join_sheet(connection, actor, row)
        return row

    def check_deletion(self, connection: Connection, actor: Actor, before: Row) -> None:
        """What is on a sheet that was handed in stays as it is. Raises ConflictError."""
        if before["time_sheet_id"] is not None:
            wanted = {"tenant_id": actor.tenant_id, "id": before["time_sheet_id"]}
            _require_draft(self.execute(connection, "share_sheet", wanted).fetchone())

    def _work_item(self, connection: Connection, actor: Actor, old: Row, row: Row) -> Row:
        """The columns of the work item, of which that of the entry's type is set."""
        kind, item_id = row["work_item_type"], row["work_item_id"]
        if (kind, item_id) == (old.get("work_item_type"), old.get("work_item_id")):
            return {}
        if kind not in _ITEMS and item_id is not None:
            refuse("work_item_id", f"work_item_type {kind} has no work item")
        if kind in _ITEMS and item_id is None:
            refuse("work_item_id", f"it is required for work_item_type {kind}")
        if kind == "non_billable_category":
            wanted = {"tenant_id": actor.tenant_id, "id": item_id}
            if self.execute(connection, "find_category", wanted).fetchone() is None:
                refuse("work_item_id", f"there is no active non-billable category {item_id}")
        return {column: item_id if each == kind else None for each, column in _ITEMS.items()}

    def _time_zone(self, connection: Connection, actor: Actor, user_id: UUID) -> str:
        wanted = {"tenant_id": actor.tenant_id, "user_id": user_id}
        return str(self.execute(connection, "read_time_zone", wanted).fetchone()["time_zone"])

    def _join_sheet(self, connection: Connection, actor: Actor, row: Row) -> UUID | None:
        """The user's draft of the period that the day belongs to, made if it is not there; None without a period."""
        day: date = row["work_date"]
        period: Row | None = self.execute(
            connection, "find_period", {"tenant_id": actor.tenant_id, "day": day}
        ).fetchone()
        if period is None:
            return None
        wanted = {
            "tenant_id": actor.tenant_id,
            "id": UUID(uuid7_text(now_us())),
            "user_id": row["user_id"],
            "period_id": period["id"],
            "now": row["now"],
        }
        return _require_draft(self.execute(connection, "join_sheet", wanted).fetchone())


def _is_free(row: Row) -> bool:
    return bool(row["work_item_type"] == "non_billable_category")


def _require_draft(sheet: Row) -> UUID:
    """The sheet's id. Raises ConflictError when it was handed in."""
    if sheet["status"] != _DRAFT:
        problem = Problem("start_time", f"time sheet {sheet['id']} is {sheet['status']}: its entries stay as they are")
        raise ConflictError(problem.message, details=[problem])
    return UUID(str(sheet["id"]))
