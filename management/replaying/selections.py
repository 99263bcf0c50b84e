"""Which deliveries are meant: by their ids, by a filter of the log, by time, or by the offsets of their records.

A job and a dry run take the same input. Whatever it says, only the caller's own tenant's deliveries are meant.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from management.deliveries.filters import DeliveryConditions
from management.log_texts import VALUES_MAX
from management.moments import Moment

#: Deliveries that can be named one by one.
SELECTED_IDS_MAX = 10_000
OFFSET_RANGES_MAX = 100
#: `topic:partition:a-b`, from offset a to offset b, both included.
OFFSET_RANGE_PATTERN = r"^[a-z0-9._-]{1,249}:[0-9]{1,9}:[0-9]{1,18}-[0-9]{1,18}$"
_WAYS = ("delivery_ids", "filter", "offsets", "since, until and webhook_id")

ReplayMode = Literal["redrive", "fill"]


class SelectionFilter(DeliveryConditions):
    """The filters of `GET /deliveries`; the time window is of `received_at`: since ≤ t < until."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: Moment | None = None
    until: Moment | None = None
    webhook_id: list[UUID] = Field(default_factory=list, max_length=VALUES_MAX)


class Selection(BaseModel):
    """One of four: `delivery_ids`; `filter`; `since` and `until`, with or without `webhook_id`; `offsets`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delivery_ids: list[UUID] | None = Field(default=None, min_length=1, max_length=SELECTED_IDS_MAX)
    filter: SelectionFilter | None = None
    since: Moment | None = Field(default=None, description="received then or later")
    until: Moment | None = Field(default=None, description="received before")
    webhook_id: UUID | None = None
    offsets: list[Annotated[str, Field(pattern=OFFSET_RANGE_PATTERN)]] | None = Field(
        default=None, min_length=1, max_length=OFFSET_RANGES_MAX, description="topic:partition:a-b, b included"
    )

    @model_validator(mode="after")
    def _require_one_way(self) -> "Selection":
        by_time = self.since is not None or self.until is not None or self.webhook_id is not None
        ways = [self.delivery_ids is not None, self.filter is not None, self.offsets is not None, by_time]
        if sum(ways) != 1:
            given = [name for name, is_given in zip(_WAYS, ways, strict=True) if is_given]
            raise ValueError(f"give one of {'; '.join(_WAYS)}; here {' and '.join(given) or 'none'} is given")
        if by_time:
            if self.since is None or self.until is None:
                raise ValueError("since and until belong together")
            if self.since >= self.until:
                raise ValueError("until must be later than since")
        return self

    def log_filter(self) -> SelectionFilter:
        """What of the log is meant; not for ids and offsets, which name deliveries themselves."""
        if self.filter is not None:
            return self.filter
        webhooks = [] if self.webhook_id is None else [self.webhook_id]
        return SelectionFilter(since=self.since, until=self.until, webhook_id=webhooks)
