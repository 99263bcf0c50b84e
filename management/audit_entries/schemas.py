"""An entry of the audit as the API shows it."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from management.paging import PageRequest


class AuditFilter(PageRequest):
    """Which entries a list shows; the time window is of `occurred_at`: since ≤ t < until."""

    actor: str | None = Field(default=None, min_length=1, max_length=255, description="id or name of who did it")
    action: str | None = Field(
        default=None, min_length=1, max_length=127, description="such as `inbound_webhook.updated`"
    )
    resource_type: str | None = Field(
        default=None, min_length=1, max_length=63, description="such as `inbound_webhook`"
    )
    resource_id: str | None = Field(default=None, min_length=1, max_length=255)


class AuditEntry(BaseModel):
    """One change. `before` and `after` hold no secrets; null is for what was not there or is there no more."""

    id: UUID
    occurred_at: str = Field(description="RFC 3339, UTC, milliseconds")
    actor: dict[str, Any] = Field(description="type (user, api_key, system), id, name")
    action: str
    resource_type: str
    resource_id: str
    before: Any
    after: Any
    request_id: str = Field(description="X-Request-Id of the answer to the change")
    source_ip: str
