"""POST and DELETE /inbound-webhooks/{webhook_id}/capture-sample."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from management.access import INBOUND_WEBHOOKS, Access, Actor
from management.webhook_samples.schemas import OpenCapture
from management.webhook_samples.service import SampleService


def sample_routes(service: SampleService, access: Access) -> APIRouter:
    """The routes of the resource."""
    editor = Annotated[Actor, Depends(access.require("inbound_webhook:update", *INBOUND_WEBHOOKS))]
    router = APIRouter(tags=["inbound webhooks"])

    @router.post("/inbound-webhooks/{webhook_id}/capture-sample")
    def capture_sample(webhook_id: UUID, actor: editor) -> OpenCapture:
        """Keep the next verified body as the webhook's sample, for five minutes, in place of an older one."""
        return service.open_capture(actor, webhook_id)

    @router.delete("/inbound-webhooks/{webhook_id}/capture-sample", status_code=204)
    def clear_sample(webhook_id: UUID, actor: editor) -> None:
        """Delete the sample and end an open capture."""
        service.clear(actor, webhook_id)

    return router
