"""What dry runs of replays take and answer."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from management.comparing.differences import Effect, Kind, Outcome
from management.comparing.schemas import ChangedField, ComparedFailure, ComparedRule, ComparisonTotals
from management.replaying.selections import ReplayMode, ReplaySelection

#: Deliveries that the JSON answer shows one by one; totals are of all.
SHOWN_MAX = 100
#: Deliveries that one dry run looks through.
SELECTED_MAX = 1_000_000

DryRunFormat = Literal["json", "csv", "jsonl"]


class ReplayDryRunInput(BaseModel):
    """Which deliveries, and how they would be replayed. Nothing is sent or changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    selection: ReplaySelection
    mode: ReplayMode
    include_same: bool = Field(default=False, description="show deliveries that would come out the same, too")


class ComparedDelivery(BaseModel):
    """What became, or would become, of a delivery.

    `outcome` is `dispatch_status` of then. Of now, `dispatched` means that the action is asked for, and `present` that
    it is left out: its origin is replayed already, or, in the mode `fill`, nothing of it is missing. `effect` is what
    the external id says of now: `unknown` where that is not enough; it is null for then.
    """

    outcome: Outcome
    rule: ComparedRule | None = None
    error: ComparedFailure | None = None
    action: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    effect: Effect | None = None


class DeliveryDifference(BaseModel):
    """One delivery then and now. `not_comparable` says why there is no `now`.

    Without a delivery id it stands for offsets that are lost: `place` names them.
    """

    delivery_id: str | None
    webhook_id: str | None
    received_at: str | None = Field(description="RFC 3339, UTC, milliseconds")
    place: str | None = Field(description="topic:partition:offset")
    config_version: int | None = Field(description="of then")
    kinds: list[Kind]
    then: ComparedDelivery | None
    now: ComparedDelivery | None
    fields: list[ChangedField]
    fields_unknown: str | None = Field(description="why fields of then are not known, where they are not")
    not_comparable: str | None


class ReplayDryRun(BaseModel):
    """Totals of all deliveries that were selected, and the first 100 that differ or cannot be compared."""

    mode: ReplayMode
    totals: ComparisonTotals
    is_complete: bool = Field(description="false: time was up; ask for a file, or for fewer deliveries")
    differences: list[DeliveryDifference]
