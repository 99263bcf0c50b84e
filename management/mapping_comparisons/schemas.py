"""What comparisons of mappings take and answer."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from management.comparing.schemas import ChangedField, ComparedFailure, ComparedRule, ComparisonTotals

LAST_DEFAULT = 100
LAST_MAX = 1_000
#: Requests that an answer shows one by one; totals are of all.
SHOWN_MAX = 100
Json = dict[str, Any]
#: Of the webhook's last real requests.
Last = Annotated[int, Field(ge=1, le=LAST_MAX)]


class _Given(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ComparedConfiguration(_Given):
    """A version that was kept, a draft of the handler or of its mapping alone, or, left empty, the webhook as it is."""

    version: int | None = Field(default=None, ge=1, le=2**63 - 1)
    handler_config: Json | None = Field(default=None, description="as a save takes it; the rest is as it is now")
    field_mapping: dict[str, str] | None = Field(default=None, description="with the action and options of now")

    @model_validator(mode="after")
    def _require_one(self) -> "ComparedConfiguration":
        if sum(one is not None for one in (self.version, self.handler_config, self.field_mapping)) > 1:
            raise ValueError("give one of version, handler_config and field_mapping, or none")
        return self


class MappingComparisonInput(_Given):
    """What is compared: `a` is then, `b` is now. Tests and replays are no real requests."""

    a: ComparedConfiguration = Field(default=ComparedConfiguration(), description="left out: the webhook as it is now")
    b: ComparedConfiguration
    last: Last = LAST_DEFAULT


class ComparedVerdict(BaseModel):
    """What a configuration makes of a request: `dispatched` (its action is asked for), `filtered` or `failed`."""

    outcome: str
    rule: ComparedRule | None
    error: ComparedFailure | None


class RequestDifference(BaseModel):
    """One request of which the two make something different."""

    delivery_id: str
    received_at: str = Field(description="RFC 3339, UTC, milliseconds")
    kinds: list[str]
    then: ComparedVerdict
    now: ComparedVerdict
    fields: list[ChangedField]


class FailingExpression(BaseModel):
    """Where requests fail. `path` is `field_mapping.FIELD`, `filters`, `validation`, or empty for the whole."""

    path: str
    then: int
    now: int
    message: str = Field(description="of one of them")


class MappingComparison(BaseModel):
    """Totals of all that could be compared, and the newest 100 requests that differ."""

    totals: ComparisonTotals
    error_rate_then: float | None = Field(description="failed ÷ compared; null: none could be compared")
    error_rate_now: float | None
    failures: list[FailingExpression] = Field(description="the most frequent of now first, 100 at most")
    differences: list[RequestDifference]
