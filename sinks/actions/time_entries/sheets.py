"""The day that an entry counts for, and the sheet it joins: the user's, of the period that covers the day."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from infra.entities.working_time import WorkingTimeError, work_date
from infra.queries import load_queries
from schemas.actions import ActionContext, ActionError, RefEntityType
from schemas.encoding import record_bytes
from schemas.records import ErrorCode
from sinks.actions.choice import invalid
from sinks.actions.errors import CommandRaceError
from sinks.actions.references import References

QUERIES = load_queries(Path(__file__).parent / "queries.sql")
_DRAFT = "draft"

Sheet = Mapping[str, Any]


class WorkDates:
    """The time zones of all users that `references` hold."""

    def __init__(self, context: ActionContext, references: References) -> None:
        named = references.entities.get(RefEntityType.USER, {}).values()
        parameters = {"tenant_id": context.tenant_id, "ids": list({user.id for users in named for user in users})}
        rows = context.tx.rows(QUERIES["read_time_zones"], parameters)
        self._zones: Mapping[UUID, str] = {row["id"]: row["time_zone"] for row in rows}

    def of(self, user_id: UUID, start: datetime) -> date:
        """The day of `start` where the user is. Raises ActionError."""
        try:
            return work_date(start, self._zones[user_id])
        except WorkingTimeError as error:
            raise invalid(error.field, f"{error.field}: {error}") from None


class TimeSheets:
    """The sheets that entries of one tenant may join or are on, held as they are until the transaction ends.

    `bookings`: users and days of the entries. `present`: ids of sheets that entries are on.
    """

    def __init__(
        self, context: ActionContext, bookings: Collection[tuple[UUID, date]], present: Collection[UUID]
    ) -> None:
        self._context = context
        self._periods = self._read_periods({day for _, day in bookings})
        pairs = {(user_id, self._periods[day]) for user_id, day in bookings if day in self._periods}
        sheets = self._share(pairs, present)
        self._by_id: dict[UUID, Sheet] = {sheet["id"]: sheet for sheet in sheets}
        self._by_owner: dict[tuple[UUID, UUID], Sheet] = {(s["user_id"], s["period_id"]): s for s in sheets}
        self._made: list[Sheet] = []

    def join(self, context: ActionContext, user_id: UUID, day: date) -> UUID | None:
        """The user's draft of the period that covers the day, made if it is not there; None without a period.

        Raises ActionError CONFLICT when the sheet was handed in.
        """
        period_id = self._periods.get(day)
        if period_id is None:
            return None
        sheet = self._by_owner.get((user_id, period_id))
        if sheet is None:
            sheet = {"id": context.new_id(), "user_id": user_id, "period_id": period_id, "status": _DRAFT}
            self._by_owner[user_id, period_id] = self._by_id[sheet["id"]] = sheet
            self._made.append(sheet)
        sheet_id: UUID = sheet["id"]
        self.require_draft(sheet_id, "start_time")
        return sheet_id

    def require_draft(self, sheet_id: UUID, field: str) -> None:
        """Raises ActionError CONFLICT when the sheet was handed in."""
        status = self._by_id[sheet_id]["status"]
        if status != _DRAFT:
            message = f"{field}: time sheet {sheet_id} is {status}, so its entries stay as they are"
            raise ActionError(ErrorCode.CONFLICT, message, field)

    def write(self, used: Collection[UUID | None]) -> None:
        """Write new sheets that are used. Raises CommandRaceError when somebody else made one of them meanwhile."""
        rows = [sheet for sheet in self._made if sheet["id"] in used]
        if rows and self._execute(rows) != len(rows):
            raise CommandRaceError("a time sheet was made by another command meanwhile")

    def _execute(self, rows: Iterable[Sheet]) -> int:
        parameters = {"tenant_id": self._context.tenant_id, "now": self._context.now}
        return self._context.tx.execute(QUERIES["insert_sheets"], parameters | {"rows": record_bytes(rows).decode()})

    def _read_periods(self, days: Collection[date]) -> Mapping[date, UUID]:
        parameters = {"tenant_id": self._context.tenant_id, "days": list(days)}
        return {row["day"]: row["id"] for row in self._context.tx.rows(QUERIES["periods_of_days"], parameters)}

    def _share(self, pairs: Iterable[tuple[UUID, UUID]], present: Collection[UUID]) -> list[dict[str, Any]]:
        wanted = [{"user_id": user_id, "period_id": period_id} for user_id, period_id in pairs]
        if not wanted and not present:
            return []
        parameters = {
            "tenant_id": self._context.tenant_id,
            "wanted": record_bytes(wanted).decode(),
            "ids": list(present),
        }
        return self._context.tx.rows(QUERIES["share_sheets"], parameters)
