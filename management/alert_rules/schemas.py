"""Alert rules as the API takes and shows them."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from management.paging import PAGE_MAX, PER_PAGE_MAX

#: The rules that a tenant may tune.
TenantRule = Literal["failure_rate", "dead_letters", "silence", "sla", "rejections", "ledger"]
Parameters = dict[str, Any]


class AlertRuleFilter(BaseModel):
    """Of which webhook the rules are shown; without one: of all webhooks of the tenant."""

    model_config = ConfigDict(frozen=True)

    page: int = Field(default=1, ge=1, le=PAGE_MAX)
    per_page: int = Field(default=25, ge=1, le=PER_PAGE_MAX)
    webhook_id: UUID | None = None


class AlertRuleScope(BaseModel):
    """What a change is for: one webhook, or without one all webhooks of the tenant."""

    model_config = ConfigDict(frozen=True)

    webhook_id: UUID | None = None


class AlertRule(BaseModel):
    """A rule with its parameters in force. What is changed for a webhook goes before what is for the tenant."""

    rule: TenantRule
    description: str
    parameters: Parameters = Field(description="in force: the defaults with the changes over them")
    defaults: Parameters
    of_tenant: Parameters | None = Field(description="what is changed for all webhooks; null: nothing")
    of_webhook: Parameters | None = Field(description="what is changed for the webhook asked for; null: nothing")


class AlertRuleInput(BaseModel):
    """What is to differ from the defaults; members that are not there stay as they are without this."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: Parameters = Field(description="members of the rule's parameters: docs/alerts.md")
