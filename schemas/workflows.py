"""What a workflow is started with."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from schemas.webhooks import SLUG_PATTERN


class WorkflowWebhookEnvelope(BaseModel):
    """The input of a workflow run that a webhook starts (`handler_type` workflow)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(pattern=SLUG_PATTERN, description="slug of the webhook")
    body: Any = Field(description="the parsed body, whatever JSON it is")
    headers: dict[str, str] = Field(description="names in lower case, without secrets")
    verified: Literal[True]
    delivery_id: UUID
    idempotency_key: str | None
    received_at: str = Field(description="RFC 3339, UTC, milliseconds")
