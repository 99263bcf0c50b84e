"""A version as the API shows it."""

from typing import Any

from pydantic import BaseModel, Field

from management.inbound_webhooks.schemas import Json, WebhookAuthor


class VersionPageRequest(BaseModel):
    """Which part of the list is asked for."""

    page: int = Field(default=1, ge=1, le=10_000)
    per_page: int = Field(default=25, ge=1, le=100)


class WebhookVersion(BaseModel):
    """That a webhook was changed. `change`: created, updated, enabled, disabled, secret_rotated, rotation_finalised,
    restored."""

    version: int
    change: str
    changed_by: WebhookAuthor
    changed_at: str = Field(description="RFC 3339, UTC, milliseconds")


class Difference(BaseModel):
    """A member that is otherwise than before; null where there is none."""

    path: str
    before: Any
    after: Any


class WebhookVersionDetails(WebhookVersion):
    """What it was, without secrets, and how that differs from the version before; the first one differs in nothing."""

    config: Json
    differences: list[Difference]
