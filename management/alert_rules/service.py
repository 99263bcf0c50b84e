"""Alert rules: what is declared, and what a tenant has changed of it."""

from collections.abc import Mapping
from typing import Any, get_args
from uuid import UUID

from management.access import Actor
from management.alert_rules.repository import AlertRuleRepository
from management.alert_rules.schemas import AlertRule, AlertRuleFilter, AlertRuleInput, Parameters, TenantRule
from management.alerting.core.overrides import Overrides
from management.alerting.core.rules import RULES
from management.inbound_webhooks.rules.problems import Problems, check_numbers, check_shape
from management.paging import Page, PageMeta

_NAMES: tuple[TenantRule, ...] = get_args(TenantRule)


class AlertRuleService:
    """`webhook_id` None: all webhooks of the tenant."""

    def __init__(self, repository: AlertRuleRepository) -> None:
        self._repository = repository

    def page(self, tenant_id: UUID, wanted: AlertRuleFilter) -> Page[AlertRule]:
        """The rules in the order of docs/alerts.md. Raises NotFoundError for a webhook the tenant has not got."""
        shown = self._shown(tenant_id, wanted.webhook_id)
        first = (wanted.page - 1) * wanted.per_page
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=len(shown))
        return Page(data=list(shown.values())[first : first + wanted.per_page], meta=meta)

    def write(self, actor: Actor, rule: TenantRule, webhook_id: UUID | None, body: Mapping[str, Any]) -> AlertRule:
        """Replace what is changed of a rule. Raises ValidationFailedError with every problem, NotFoundError."""
        check_numbers(body)
        problems = Problems()
        wanted = check_shape(AlertRuleInput, body, "", problems)
        if wanted is not None:
            check_shape(RULES[rule].parameters, wanted.parameters, "parameters", problems)
        if webhook_id is not None and not RULES[rule].of_webhooks:
            problems.add("webhook_id", f"webhook_id cannot be given: the rule {rule} is for all of a tenant's webhooks")
        problems.raise_if_any()
        assert wanted is not None  # noqa: S101 - else there was a problem
        self._repository.write(actor, rule, webhook_id, wanted.parameters)
        return self._shown(actor.tenant_id, webhook_id)[rule]

    def delete(self, actor: Actor, rule: TenantRule, webhook_id: UUID | None) -> None:
        """Go back to what is in force without it. Raises NotFoundError where nothing is changed."""
        self._repository.delete(actor, rule, webhook_id)

    def _shown(self, tenant_id: UUID, webhook_id: UUID | None) -> dict[str, AlertRule]:
        rows = self._repository.overrides(tenant_id, webhook_id)
        overrides = Overrides({**row, "tenant_id": tenant_id} for row in rows)
        found: dict[tuple[str, UUID | None], Parameters] = {
            (row["rule"], row["webhook_id"]): row["parameters"] for row in rows
        }
        return {
            name: AlertRule(
                rule=name,
                description=RULES[name].description,
                parameters=overrides.of(RULES[name], tenant_id, webhook_id).model_dump(),
                defaults=RULES[name].defaults.model_dump(),
                of_tenant=found.get((name, None)),
                of_webhook=None if webhook_id is None else found.get((name, webhook_id)),
            )
            for name in _NAMES
        }
