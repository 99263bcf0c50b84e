"""POST /inbound-webhooks/{webhook_id}/explain."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from management.access import INBOUND_WEBHOOKS, Access, Actor
from management.webhook_explanations.schemas import Explanation, RequestToExplain
from management.webhook_explanations.service import ExplanationService


def explanation_routes(service: ExplanationService, access: Access) -> APIRouter:
    """The route of the resource. It needs the right to update: whoever has it could set the secret as well."""
    editor = Annotated[Actor, Depends(access.require("inbound_webhook:update", *INBOUND_WEBHOOKS))]
    router = APIRouter(tags=["inbound webhooks"])

    @router.post(
        "/inbound-webhooks/{webhook_id}/explain",
        responses={409: {"description": "The webhook has no usable configuration"}},
    )
    def explain_request(webhook_id: UUID, given: RequestToExplain, actor: editor) -> Explanation:
        """Say in words why the receiver would take a request, or not. Nothing is sent, kept or logged."""
        return service.explain(actor, webhook_id, given)

    return router
