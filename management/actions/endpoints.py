"""GET /inbound-webhooks/actions."""

from typing import Annotated

from fastapi import APIRouter, Depends

from management.access import INBOUND_WEBHOOKS, Access, Actor
from management.actions.schemas import InboundActionDefinition
from management.actions.service import ActionService
from management.paging import Page


def action_routes(service: ActionService, access: Access) -> APIRouter:
    """The route of the resource. It goes before the routes of /inbound-webhooks/{webhook_id}."""
    reader = Annotated[Actor, Depends(access.require("inbound_webhook:read", *INBOUND_WEBHOOKS))]
    router = APIRouter(tags=["inbound webhooks"])

    @router.get("/inbound-webhooks/actions")
    def list_inbound_webhook_actions(_actor: reader) -> Page[InboundActionDefinition]:
        """What a webhook can do directly, all on one page: the fields to map and the options of each action."""
        return service.page()

    return router
