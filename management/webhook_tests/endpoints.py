"""Under /inbound-webhooks/{webhook_id}: POST /test, GET /tests, POST /mapping/preview, POST /filters/test."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from starlette.concurrency import run_in_threadpool

from management.access import INBOUND_WEBHOOKS, Access, Actor
from management.paging import Page
from management.webhook_tests.schemas import (
    DryRun,
    FilterTestInput,
    FilterVerdict,
    KeptTest,
    MappingPreview,
    MappingPreviewInput,
    TestedDelivery,
    WebhookTestInput,
)
from management.webhook_tests.service import WebhookTestService
from schemas.records import DispatchStatus

_UNUSABLE: dict[int | str, dict[str, Any]] = {409: {"description": "The webhook has no usable configuration"}}
_SENT: dict[int | str, dict[str, Any]] = {
    202: {"model": TestedDelivery, "description": "Sent, but without an outcome in time; see `waiting_for`"},
    **_UNUSABLE,
}


def webhook_test_routes(service: WebhookTestService, access: Access) -> APIRouter:
    """The routes of the resource. All need the right to update: tests act for real, and samples are sensitive."""
    editor = Annotated[Actor, Depends(access.require("inbound_webhook:update", *INBOUND_WEBHOOKS))]
    router = APIRouter(tags=["inbound webhooks"])

    @router.post("/inbound-webhooks/{webhook_id}/test", responses=_SENT)
    async def test_webhook(
        webhook_id: UUID, given: WebhookTestInput, actor: editor, response: Response
    ) -> TestedDelivery | DryRun:
        """Send a marked request through the pipeline and answer with the finished delivery.

        It acts for real; it is never a duplicate, and no later request is one of it. `dry_run`: maps and checks only.
        """
        if given.dry_run:
            return await run_in_threadpool(service.dry_run, actor, webhook_id, given)
        delivery = await service.test(actor, webhook_id, given)
        response.status_code = 202 if delivery.dispatch_status is DispatchStatus.PENDING else 200
        return delivery

    @router.get("/inbound-webhooks/{webhook_id}/tests")
    def list_webhook_tests(webhook_id: UUID, actor: editor) -> Page[KeptTest]:
        """The last ten tests and dry runs, newest first."""
        return service.kept(actor, webhook_id)

    @router.post("/inbound-webhooks/{webhook_id}/mapping/preview", responses=_UNUSABLE)
    def preview_mapping(webhook_id: UUID, given: MappingPreviewInput, actor: editor) -> MappingPreview:
        """What each expression gives for a body, saved or not."""
        return service.preview_mapping(actor, webhook_id, given)

    @router.post("/inbound-webhooks/{webhook_id}/filters/test", responses=_UNUSABLE)
    def test_filters(webhook_id: UUID, given: FilterTestInput, actor: editor) -> FilterVerdict:
        """Whether filters let a body through, saved or not."""
        return service.test_filters(actor, webhook_id, given)

    return router
