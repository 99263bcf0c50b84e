"""Time sheets as the API takes and shows them."""

from typing import Literal
from uuid import UUID

from management.entities.schemas import EntityFilter, EntityInput, EntityShown
from management.patching import PatchInput

SheetStatus = Literal["draft", "submitted", "approved"]


class TimeSheetFilter(EntityFilter):
    """Which sheets a list shows; the time window is of `created_at`: since ≤ t < until."""

    user_id: UUID | None = None
    period_id: UUID | None = None
    status: SheetStatus | None = None


class TimeSheet(EntityShown):
    """What a user hands in of a period. Time entries join a draft; on any other sheet they stay as they are."""

    user_id: UUID
    period_id: UUID
    status: SheetStatus


class TimeSheetCreateInput(EntityInput):
    """A new sheet. A time entry makes the one it joins by itself."""

    user_id: UUID
    period_id: UUID
    status: SheetStatus = "draft"


class TimeSheetUpdateInput(PatchInput):
    """What to change of a sheet."""

    status: SheetStatus = "draft"
