"""A replay job as the API takes and shows it."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from management.exports import ExportFormat
from management.paging import PageRequest
from management.replay_jobs.core.states import Cause, State
from management.replaying.selections import REASON_LENGTH_MAX, ReplayMode, ReplaySelection
from schemas.records import DispatchStatus

RATE_DEFAULT = 200
RATE_MAX = 5_000
RecordResult = Literal["noted", "published", "present", "lost", "refused"]
Reason = Annotated[str, Field(min_length=1, max_length=REASON_LENGTH_MAX)]


class ReplayCreateInput(BaseModel):
    """What to replay of what was received before it is asked for, how, and why.

    More than 10,000 records wait for confirmation, unless it is given with them.

    `redrive` runs again whatever was; `fill` publishes only what has had no success yet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    selection: ReplaySelection
    mode: ReplayMode
    reason: Reason
    rate_per_second: int = Field(default=RATE_DEFAULT, ge=1, le=RATE_MAX)
    plan_only: bool = Field(default=False, description="count what is selected, and wait for confirmation")
    confirm_records: int | None = Field(default=None, ge=1, description="up to so many are confirmed with this")


class ReplayChangeInput(BaseModel):
    """Why a job is confirmed, paused, resumed or stopped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reason | None = None


class ReplayJobFilter(PageRequest):
    """Which jobs a list shows; the time window is of `asked_at`: since ≤ t < until."""

    state: State | None = None


class ReplayRecordFilter(PageRequest):
    """Which records of a job a list shows."""

    result: RecordResult | None = None


class ReplayRecordExport(BaseModel):
    """In which form, and which records of a job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: ExportFormat = "csv"
    result: RecordResult | None = None


class ReplayCounts(BaseModel):
    """Of the selected records. `remaining` are those that nothing has been done about yet.

    `published` again; `present`: nothing was missing, or its origin was replayed by the job already; `lost`: gone from
    Kafka, and not whole in the log; `refused`: by a rule.
    """

    selected: int
    published: int
    present: int
    lost: int
    refused: int
    remaining: int


class Replay(BaseModel):
    """A job and how far it is. Times are RFC 3339, UTC, milliseconds.

    `outcomes` are deliveries of this job by their status, of the log as of `outcomes_at`. `state_cause`,
    `state_reason` and `state_by` say why it stands where it does: who paused or stopped it, or which bound did.
    """

    id: UUID
    state: State
    state_since: str
    state_cause: Cause | None
    state_reason: str | None
    state_by: dict[str, Any] | None
    selection: dict[str, Any]
    mode: ReplayMode
    reason: str
    rate_per_second: int
    plan_only: bool
    confirm_records: int | None
    asked_by: dict[str, Any]
    asked_at: str
    planned_at: str | None
    started_at: str | None
    ended_at: str | None
    counts: ReplayCounts
    outcomes: dict[str, int]
    outcomes_at: str | None


class ReplayPartition(BaseModel):
    """How far a job is in one partition, in the order of its offsets; topic '' is for what has no known place."""

    topic: str
    partition: int
    selected: int
    passed: int
    last_offset: int | None = Field(description="the last that was dealt with")


class ReplayRange(BaseModel):
    """A range of offsets that was asked for. What retention has deleted of it: `deleted_first` to `deleted_last`."""

    offsets: str
    is_read: bool
    deleted_first: int | None
    deleted_last: int | None


class ReplayDetail(Replay):
    """A job with its partitions, once it is planned, and its ranges."""

    partitions: list[ReplayPartition]
    ranges: list[ReplayRange]


class ReplayRecord(BaseModel):
    """What became of one selected delivery. `noted`: about to be published.

    `dispatch_status` and `error_code` are of the new delivery, as the log has it now; null: it is not there yet.
    """

    delivery_id: UUID
    origin_id: UUID
    webhook_id: UUID | None
    place: str | None = Field(description="where its record stood: topic:partition:offset")
    result: RecordResult
    code: str | None
    reason: str | None
    new_delivery_id: UUID | None
    dispatch_status: DispatchStatus | None
    error_code: str | None
