"""Which deliveries are meant: by their ids, by a filter of the log, by time, or by the offsets of their records.

Replay jobs and dry runs take the same. Whatever it says, only the caller's own tenant's deliveries are meant.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from management.deliveries.filters import DeliveryConditions
from management.log_texts import VALUES_MAX
from management.moments import Moment
from management.replaying.places import parse_range

IDS_MAX = 5_000
RANGES_MAX = 100
#: Offsets of all ranges together.
OFFSETS_MAX = 10_000_000

ReplayMode = Literal["redrive", "fill"]
#: Why somebody replays something, in characters.
REASON_LENGTH_MAX = 500


class ReplayFilter(DeliveryConditions):
    """The filters of the list of deliveries: since ≤ `received_at` < until."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    webhook_id: list[UUID] = Field(default_factory=list, max_length=VALUES_MAX)
    since: Moment | None = None
    until: Moment | None = None


class ReplaySelection(BaseModel):
    """What is replayed: exactly one of ids, a filter, offsets, and a time range (`since`, `until`, `webhook_id`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delivery_ids: list[UUID] | None = Field(default=None, min_length=1, max_length=IDS_MAX)
    filter: ReplayFilter | None = None
    offsets: list[Annotated[str, Field(max_length=300)]] | None = Field(
        default=None, min_length=1, max_length=RANGES_MAX, description="each `topic:partition:first-last`"
    )
    since: Moment | None = None
    until: Moment | None = None
    webhook_id: UUID | None = None

    @field_validator("offsets")
    @classmethod
    def _check_offsets(cls, offsets: list[str] | None) -> list[str] | None:
        ranges = [parse_range(text) for text in offsets or ()]
        if sum(one.last - one.first + 1 for one in ranges) > OFFSETS_MAX:
            raise ValueError(f"these are more than {OFFSETS_MAX:,} offsets")
        return offsets

    @model_validator(mode="after")
    def _check_form(self) -> "ReplaySelection":
        is_time_range = self.since is not None or self.until is not None
        forms = [self.delivery_ids is not None, self.filter is not None, self.offsets is not None, is_time_range]
        if sum(forms) != 1:
            raise ValueError("exactly one of delivery_ids, filter, offsets, and since with until is needed")
        if self.webhook_id is not None and not is_time_range:
            raise ValueError("webhook_id goes with since and until; a filter has its own")
        if is_time_range and (self.since is None or self.until is None or self.since >= self.until):
            raise ValueError("a time range has since and until, in this order")
        return self

    def log_filter(self) -> ReplayFilter:
        """What of the log is meant; not for ids and offsets, which name deliveries themselves."""
        if self.filter is not None:
            return self.filter
        webhooks = [] if self.webhook_id is None else [self.webhook_id]
        return ReplayFilter(since=self.since, until=self.until, webhook_id=webhooks)
