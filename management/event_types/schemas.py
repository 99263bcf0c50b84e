"""Event types and their versions as the API takes and shows them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from management.paging import PAGE_MAX, PER_PAGE_MAX
from schemas.event_types import NAME_LENGTH_MAX, NAME_PATTERN

DESCRIPTION_LENGTH_MAX = 2_000
VERSION_MAX = 2_147_483_647
Json = dict[str, Any]
Origin = Literal["core", "declared"]


class EventTypeFilter(BaseModel):
    """Which event types a list shows."""

    model_config = ConfigDict(frozen=True)

    page: int = Field(default=1, ge=1, le=PAGE_MAX)
    per_page: int = Field(default=25, ge=1, le=PER_PAGE_MAX)
    search: str = Field(default="", max_length=NAME_LENGTH_MAX, description="part of name or description")
    origin: Origin | None = Field(default=None, description="core: Hookline's own; declared: the tenant's")


class EventType(BaseModel):
    """A kind of event, in its newest version. Times are null for Hookline's own."""

    name: str
    origin: Origin
    description: str
    version: int = Field(description="the newest")
    created_at: str | None = Field(description="when it was declared; RFC 3339, UTC, milliseconds")
    updated_at: str | None = Field(description="when its newest version was made")


class EventTypeAuthor(BaseModel):
    """Who declared a version."""

    type: Literal["user", "api_key"]
    id: str
    name: str


class EventTypeVersion(BaseModel):
    """One version. It never changes. `created_by` and `created_at` are null for Hookline's own."""

    name: str
    origin: Origin
    version: int
    description: str
    json_schema: Json = Field(description="JSON Schema 2020-12")
    created_by: EventTypeAuthor | None
    created_at: str | None


class EventTypeWithVersions(EventType):
    """With the newest version's schema, and which versions there are, the newest first."""

    json_schema: Json
    versions: list[int]


class EventTypeCreateInput(BaseModel):
    """A new event type. Its schema becomes version 1: at most 64 KiB, no references that lead outside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=NAME_LENGTH_MAX, pattern=NAME_PATTERN)
    description: str = Field(default="", max_length=DESCRIPTION_LENGTH_MAX)
    json_schema: Json = Field(description="JSON Schema 2020-12")


class EventTypeVersionCreateInput(BaseModel):
    """A new version. Unless `compatibility` is `none`, it must accept every body that the newest one accepts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str | None = Field(
        default=None, max_length=DESCRIPTION_LENGTH_MAX, description="left out or null: that of the newest version"
    )
    json_schema: Json = Field(description="JSON Schema 2020-12")
    compatibility: Literal["backward", "none"] = "backward"
