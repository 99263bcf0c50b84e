"""POST /inbound-webhooks/{webhook_id}/rotate-secret and /finalise-rotation."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends

from management.access import INBOUND_WEBHOOKS, Access, Actor
from management.bodies import SchemaOf
from management.inbound_webhooks.schemas import Json
from management.webhook_secrets.schemas import FinalisedRotation, RotatedSecret, SecretRotationInput
from management.webhook_secrets.service import WebhookSecretService


def webhook_secret_routes(service: WebhookSecretService, access: Access) -> APIRouter:
    """The routes of the resource."""
    editor = Annotated[Actor, Depends(access.require("inbound_webhook:update", *INBOUND_WEBHOOKS))]
    router = APIRouter(tags=["inbound webhooks"], responses={409: {"description": "The scheme has no secret"}})

    @router.post("/inbound-webhooks/{webhook_id}/rotate-secret")
    def rotate_secret(
        webhook_id: UUID,
        actor: editor,
        body: Annotated[Json | None, SchemaOf(SecretRotationInput), Body()] = None,
    ) -> RotatedSecret:
        """Have another secret, shown this once; the present one stays good for the overlap."""
        return service.rotate(actor, webhook_id, body or {})

    @router.post("/inbound-webhooks/{webhook_id}/finalise-rotation")
    def finalise_rotation(webhook_id: UUID, actor: editor) -> FinalisedRotation:
        """End the previous secret now."""
        return service.finalise(actor, webhook_id)

    return router
