"""The tenant as the API shows it."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from management.patching import PatchInput
from schemas.retention import (
    BODY_DAYS_DEFAULT,
    DAYS_MAX,
    REJECTION_DAYS_DEFAULT,
    REJECTION_DAYS_MIN,
    ROW_DAYS_DEFAULT,
    ROW_DAYS_MIN,
    RetentionDays,
)

NAME_LENGTH_MAX = 255


class TenantRetentionDays(RetentionDays):
    """Of deliveries `bodies` and `rows`, where a webhook has no `retention_days` of its own, and of `rejections`."""

    rejections: int = Field(ge=REJECTION_DAYS_MIN, le=DAYS_MAX)


class TenantRetentionInput(PatchInput):
    """What changes; the rest stays."""

    bodies: int = Field(default=BODY_DAYS_DEFAULT, ge=0, le=DAYS_MAX)
    rows: int = Field(default=ROW_DAYS_DEFAULT, ge=ROW_DAYS_MIN, le=DAYS_MAX)
    rejections: int = Field(default=REJECTION_DAYS_DEFAULT, ge=REJECTION_DAYS_MIN, le=DAYS_MAX)


class Tenant(BaseModel):
    """A customer. The slug is part of every receiver URL; it and all limits are the operator's to change."""

    id: UUID
    slug: str
    name: str
    entitlements: list[str]
    inbound_webhooks_enabled: bool
    api_requests_per_minute: int = Field(description="calls by API key")
    retention_days: TenantRetentionDays
    created_at: str
    updated_at: str


class TenantUpdateInput(PatchInput):
    """What a tenant may change of itself."""

    name: Annotated[str, Field(min_length=1, max_length=NAME_LENGTH_MAX, pattern=r"\S")] = ""
    retention_days: TenantRetentionInput = TenantRetentionInput()
