"""GET /inbound-webhooks/{webhook_id}/versions, /versions/{version}; POST /versions/{version}/restore."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Response

from management.access import INBOUND_WEBHOOKS, Access, Actor
from management.inbound_webhooks.schemas import InboundWebhookSaved
from management.inbound_webhooks.service import InboundWebhookService
from management.paging import Page
from management.preconditions import etag_of
from management.webhook_versions.schemas import VersionPageRequest, WebhookVersion, WebhookVersionDetails
from management.webhook_versions.service import WebhookVersionService

Number = Annotated[int, Path(ge=1, le=2_147_483_647)]


def webhook_version_routes(
    service: WebhookVersionService, webhooks: InboundWebhookService, access: Access
) -> APIRouter:
    """The routes of the resource; `webhooks` shows what was restored."""
    reader = Annotated[Actor, Depends(access.require("inbound_webhook:read", *INBOUND_WEBHOOKS))]
    editor = Annotated[Actor, Depends(access.require("inbound_webhook:update", *INBOUND_WEBHOOKS))]
    router = APIRouter(tags=["inbound webhooks"])

    @router.get("/inbound-webhooks/{webhook_id}/versions")
    def list_webhook_versions(
        webhook_id: UUID, wanted: Annotated[VersionPageRequest, Query()], actor: reader
    ) -> Page[WebhookVersion]:
        """Who changed a webhook, and how, newest first."""
        return service.page(actor.tenant_id, webhook_id, wanted)

    @router.get("/inbound-webhooks/{webhook_id}/versions/{version}")
    def get_webhook_version(webhook_id: UUID, version: Number, actor: reader) -> WebhookVersionDetails:
        """What a version was, and how it differs from the one before."""
        return service.get(actor.tenant_id, webhook_id, version)

    @router.post(
        "/inbound-webhooks/{webhook_id}/versions/{version}/restore",
        response_model_exclude_unset=True,
        responses={409: {"description": "The slug is taken"}, 412: {"description": "Somebody else changed it"}},
    )
    def restore_webhook_version(
        webhook_id: UUID,
        version: Number,
        actor: editor,
        response: Response,
        if_match: Annotated[str | None, Header()] = None,
    ) -> InboundWebhookSaved:
        """Have the settings of a version again, checked again, as the newest version; secrets stay as they are."""
        shown = webhooks.show(actor, service.restore(actor, webhook_id, version, if_match))
        response.headers["ETag"] = etag_of(shown.version)
        return shown

    return router
