"""What the models of all entities are made of."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints, WithJsonSchema

from infra.clock import rfc3339_of
from management.paging import PageRequest

#: A time as the API shows it.
Time = Annotated[
    datetime,
    PlainSerializer(rfc3339_of, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Day = Annotated[date, Field(description="YYYY-MM-DD")]


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
ShortText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
LongText = Annotated[str, Field(max_length=100_000)]
Notes = Annotated[str, Field(max_length=20_000)]
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Search = Annotated[str, Field(max_length=255)]


class EntityFilter(PageRequest):
    """Which entities a list shows; the time window is of `created_at`: since ≤ t < until."""

    def parameters(self) -> dict[str, Any]:
        """The filters of its own, by the names that the statements have for them."""
        return self.model_dump(exclude=set(PageRequest.model_fields))


class EntityShown(BaseModel):
    """What every entity shows. Read from its row."""

    model_config = ConfigDict(from_attributes=False)

    id: UUID
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
