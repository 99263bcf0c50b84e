"""Time entries as the API takes and shows them."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from management.entities.schemas import (
    Day,
    EntityFilter,
    EntityShown,
    MappedInput,
    Notes,
    Search,
    ShortText,
    StoredMoment,
    Time,
)
from management.patching import PatchInput

WorkItemType = Literal["ticket", "project_task", "non_billable_category", "ad_hoc", "interaction"]
Minutes = Annotated[int, Field(strict=True, ge=1, le=1_440)]


class TimeEntryFilter(EntityFilter):
    """Which entries a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of the notes")
    user_id: UUID | None = None
    service_id: UUID | None = None
    time_sheet_id: UUID | None = None
    work_item_type: WorkItemType | None = None
    work_item_id: UUID | None = None
    is_billable: bool | None = None


class TimeEntry(EntityShown):
    """Who worked on what, and how long. It is on the user's sheet of the period that has its day, if there is one.

    `webhook_id` and `delivery_id` say where it came from, if an action made it.
    """

    user_id: UUID
    work_item_type: WorkItemType
    work_item_id: UUID | None
    service_id: UUID
    start_time: Time
    end_time: Time
    duration_minutes: int
    is_billable: bool
    billable_minutes: int
    work_date: Day = Field(description="the day of its start where the user is")
    time_sheet_id: UUID | None
    notes: str | None
    tax_region: str | None
    webhook_id: UUID | None
    delivery_id: UUID | None


class TimeEntryCreateInput(MappedInput):
    """A new entry, on the user's draft sheet of its day; a sheet that was handed in takes none."""

    user_id: UUID
    work_item_type: WorkItemType = Field(description="ad_hoc: work that was not planned, and has no work item")
    work_item_id: UUID | None = Field(default=None, description="what was worked on, of that type")
    service_id: UUID
    start_time: StoredMoment
    duration_minutes: Minutes
    is_billable: bool | None = Field(
        default=None, description="else true, but for a non-billable category, which never is"
    )
    notes: Notes | None = None
    tax_region: ShortText | None = None


class TimeEntryUpdateInput(PatchInput):
    """What to change of an entry whose sheet was not handed in. Another `work_item_type` needs a work item of it."""

    user_id: UUID = UUID(int=0)
    work_item_type: WorkItemType = "ad_hoc"
    work_item_id: UUID | None = None
    service_id: UUID = UUID(int=0)
    start_time: StoredMoment = datetime.min.replace(tzinfo=UTC)
    duration_minutes: Minutes = 1
    is_billable: bool = True
    notes: Notes | None = None
    tax_region: ShortText | None = None
