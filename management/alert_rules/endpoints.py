"""GET /alert-rules, PUT and DELETE /alert-rules/{rule}."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query

from management.access import Access, Actor
from management.alert_rules.schemas import AlertRule, AlertRuleFilter, AlertRuleInput, AlertRuleScope, TenantRule
from management.alert_rules.service import AlertRuleService
from management.bodies import SchemaOf
from management.paging import Page

RuleBody = Annotated[dict[str, Any], SchemaOf(AlertRuleInput), Body()]
Scope = Annotated[AlertRuleScope, Query()]
_ONE = "/alert-rules/{rule}"
_NO_WEBHOOK: dict[int | str, dict[str, Any]] = {404: {"description": "The tenant has no such webhook"}}


def alert_rule_routes(service: AlertRuleService, access: Access) -> APIRouter:
    """The routes of the resource."""
    reader = Annotated[Actor, Depends(access.require("alert:read"))]
    updater = Annotated[Actor, Depends(access.require("alert:update"))]
    router = APIRouter(tags=["alerts"])

    @router.get("/alert-rules", responses=_NO_WEBHOOK)
    def list_alert_rules(wanted: Annotated[AlertRuleFilter, Query()], actor: reader) -> Page[AlertRule]:
        """Every rule with its parameters in force, for one webhook or for all."""
        return service.page(actor.tenant_id, wanted)

    @router.put(_ONE)
    def replace_alert_rule(rule: TenantRule, scope: Scope, body: RuleBody, actor: updater) -> AlertRule:
        """Change parameters of a rule, for one webhook or for all; what was changed before is replaced."""
        return service.write(actor, rule, scope.webhook_id, body)

    @router.delete(_ONE, status_code=204)
    def delete_alert_rule(rule: TenantRule, scope: Scope, actor: updater) -> None:
        """Take back what was changed of a rule, for one webhook or for all."""
        service.delete(actor, rule, scope.webhook_id)

    return router
