"""What the models of all entities are made of."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from infra.clock import rfc3339_of
from infra.entities.patterns import CURRENCY_PATTERN, EMAIL_PATTERN
from management.moments import Moment
from management.paging import PageRequest
from schemas.encoding import record_bytes

OBJECT_BYTES_MAX = 65_536

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_FIRST, _LAST = datetime(1000, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC) - timedelta(days=1)


def _written_day(value: Any) -> Any:
    if isinstance(value, date) or (isinstance(value, str) and _DAY.fullmatch(value)):
        return value
    raise ValueError("this is not a day, such as 2026-01-31")


def _storable(moment: datetime) -> datetime:
    if _FIRST <= moment <= _LAST:
        return moment
    raise ValueError(f"this is not a time from {_FIRST:%Y-%m-%d} to {_LAST:%Y-%m-%d}")


#: A time as the API shows it.
Time = Annotated[
    datetime,
    PlainSerializer(rfc3339_of, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
#: A day as callers write it and the API shows it: YYYY-MM-DD, and no number.
Day = Annotated[date, BeforeValidator(_written_day)]
#: A time as callers write it; years of fewer than four digits, and the last day there is, cannot be shown.
StoredMoment = Annotated[Moment, AfterValidator(_storable)]


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
ShortText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
LongText = Annotated[str, Field(max_length=100_000)]
Notes = Annotated[str, Field(max_length=20_000)]
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Search = Annotated[str, Field(max_length=255)]
Position = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
Email = Annotated[str, StringConstraints(min_length=3, max_length=255, pattern=f"^{EMAIL_PATTERN}$")]
Currency = Annotated[
    str,
    StringConstraints(pattern=f"^{CURRENCY_PATTERN}$", to_upper=True),
    Field(description="an ISO 4217 code; kept in upper case"),
]


def _bounded(value: dict[str, Any]) -> dict[str, Any]:
    if len(record_bytes(value)) > OBJECT_BYTES_MAX:
        raise PydanticCustomError("object_too_large", f"it has more than {OBJECT_BYTES_MAX:,} bytes")
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_bounded)]


class EntityFilter(PageRequest):
    """Which entities a list shows; the time window is of `created_at`: since ≤ t < until."""

    def parameters(self) -> dict[str, Any]:
        """The filters of its own, by the names that the statements have for them."""
        return self.model_dump(exclude=set(PageRequest.model_fields))


class Identified(BaseModel):
    """Whatever has an id, read from its row."""

    id: UUID


class EntityShown(Identified):
    """What every entity shows."""

    created_at: Time
    updated_at: Time


class EntityInput(BaseModel):
    """A new entity as callers write it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def values(self) -> dict[str, Any]:
        """Every member, with defaults filled in."""
        return self.model_dump()


class MappedInput(EntityInput):
    """A new entity that a sender may know: `external_id` and `webhook_id` come together."""

    external_id: ExternalId | None = Field(
        default=None, description="the sender's id; the webhook's actions find the entity by it"
    )
    webhook_id: UUID | None = Field(default=None, description="the webhook whose external ids are meant")
