"""An alert as the API shows it."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from management.alerting.core.rules import RuleName, Severity
from management.paging import PageRequest

AlertState = Literal["open", "resolved"]


class AlertFilter(PageRequest):
    """Which alerts a list shows; the time window is of `raised_at`: since ≤ t < until."""

    state: AlertState | None = None
    rule: RuleName | None = None
    severity: Severity | None = None
    webhook_id: UUID | None = None


class AlertActor(BaseModel):
    """Who acknowledged an alert."""

    type: Literal["user", "api_key"]
    id: UUID
    name: str


class Alert(BaseModel):
    """Something that is wrong, or was. Of a rule and a subject at most one alert is open."""

    id: UUID
    rule: str = Field(description="what found it: docs/alerts.md has every rule")
    subject: str = Field(
        description="what it is about: the id of a webhook, or of `ledger` the kind and when it was found"
    )
    webhook_id: UUID | None
    severity: Severity
    state: AlertState
    message: str = Field(description="what is wrong, with the numbers of the moment it was raised")
    details: dict[str, Any] = Field(description="the numbers, by rule")
    raised_at: str = Field(description="RFC 3339, UTC, milliseconds")
    resolved_at: str | None
    resolution: str | None = Field(description="why it was resolved")
    acknowledged_at: str | None
    acknowledged_by: AlertActor | None
