"""The tenant as the API shows it."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from management.patching import PatchInput

NAME_LENGTH_MAX = 255


class Tenant(BaseModel):
    """A customer. The slug is part of every receiver URL; it and all limits are the operator's to change."""

    id: UUID
    slug: str
    name: str
    entitlements: list[str]
    inbound_webhooks_enabled: bool
    api_requests_per_minute: int = Field(description="calls by API key")
    created_at: str
    updated_at: str


class TenantUpdateInput(PatchInput):
    """What a tenant may change of itself."""

    name: Annotated[str, Field(min_length=1, max_length=NAME_LENGTH_MAX, pattern=r"\S")] = ""
