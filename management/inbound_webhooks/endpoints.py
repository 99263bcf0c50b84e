"""Everything under /inbound-webhooks that lists, shows, makes and changes webhooks."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Header, Query, Response

from management.access import INBOUND_WEBHOOKS, Access, Actor
from management.bodies import SchemaOf
from management.inbound_webhooks.inputs import (
    InboundWebhookCreateInput,
    InboundWebhookPatchInput,
    InboundWebhookUpdateInput,
)
from management.inbound_webhooks.schemas import InboundWebhookConfig, InboundWebhookSaved, Json, WebhookListRequest
from management.inbound_webhooks.service import Change, InboundWebhookService
from management.paging import Page
from management.preconditions import etag_of

CreateBody = Annotated[Json, SchemaOf(InboundWebhookCreateInput), Body()]
UpdateBody = Annotated[Json, SchemaOf(InboundWebhookUpdateInput), Body()]
PatchBody = Annotated[Json, SchemaOf(InboundWebhookPatchInput), Body(media_type="application/merge-patch+json")]
IfMatch = Annotated[str | None, Header(description="the ETag that GET showed; 412 when it is another one by now")]
#: As many as a comparison of mappings takes.
RefuseIfWorse = Annotated[
    int | None,
    Query(
        ge=1,
        le=1_000,
        description="of so many last real requests no more may fail than now: 422 else, and nothing is saved",
    ),
]
_PATH = "/inbound-webhooks"
_ONE = _PATH + "/{webhook_id}"
_TAKEN: dict[int | str, dict[str, Any]] = {409: {"description": "The slug is taken"}}
_NO_ROOM: dict[int | str, dict[str, Any]] = {
    409: {"description": "The slug is taken, or the tenant has as many webhooks as it may"}
}
_CHANGED: dict[int | str, dict[str, Any]] = {**_TAKEN, 412: {"description": "Somebody else changed it"}}
_WORSE: dict[int | str, dict[str, Any]] = {**_CHANGED, 422: {"description": "More real requests would fail than now"}}


def inbound_webhook_routes(service: InboundWebhookService, access: Access) -> APIRouter:
    """The routes of the resource."""
    router = APIRouter(tags=["inbound webhooks"])
    _add_reading(router, service, access)
    _add_changing(router, service, access)
    _add_making_and_unmaking(router, service, access)
    return router


def _add_reading(router: APIRouter, service: InboundWebhookService, access: Access) -> None:
    reader = Annotated[Actor, Depends(access.require("inbound_webhook:read", *INBOUND_WEBHOOKS))]

    @router.get(_PATH, response_model_exclude_unset=True)
    def list_inbound_webhooks(
        wanted: Annotated[WebhookListRequest, Query()], actor: reader
    ) -> Page[InboundWebhookConfig]:
        """The tenant's webhooks, without samples and warnings."""
        return service.page(actor, wanted)

    @router.get(_ONE, response_model=InboundWebhookConfig, response_model_exclude_unset=True)
    def get_inbound_webhook(webhook_id: UUID, actor: reader, response: Response) -> InboundWebhookConfig:
        """One webhook; its version is the ETag."""
        return _with_etag(service.get(actor, webhook_id), response)


def _add_changing(router: APIRouter, service: InboundWebhookService, access: Access) -> None:
    editor = Annotated[Actor, Depends(access.require("inbound_webhook:update", *INBOUND_WEBHOOKS))]

    @router.put(_ONE, response_model_exclude_unset=True, responses=_WORSE)
    def replace_inbound_webhook(
        webhook_id: UUID,
        body: UpdateBody,
        actor: editor,
        response: Response,
        *,
        if_match: IfMatch = None,
        refuse_if_worse: RefuseIfWorse = None,
    ) -> InboundWebhookSaved:
        """Change what the body says; what it leaves out stays. No difference, no new version."""
        return _with_etag(service.replace(actor, webhook_id, Change(body, if_match, refuse_if_worse)), response)

    @router.patch(_ONE, response_model_exclude_unset=True, responses=_WORSE)
    def patch_inbound_webhook(
        webhook_id: UUID,
        body: PatchBody,
        actor: editor,
        response: Response,
        *,
        if_match: IfMatch = None,
        refuse_if_worse: RefuseIfWorse = None,
    ) -> InboundWebhookSaved:
        """Apply a merge patch (RFC 7396)."""
        return _with_etag(service.patch(actor, webhook_id, Change(body, if_match, refuse_if_worse)), response)

    @router.post(_ONE + "/enable", response_model_exclude_unset=True, responses={409: {"description": "No secret"}})
    def enable_inbound_webhook(webhook_id: UUID, actor: editor, response: Response) -> InboundWebhookSaved:
        """Take requests from now on."""
        return _with_etag(service.set_active(actor, webhook_id, True), response)

    @router.post(_ONE + "/disable", response_model_exclude_unset=True)
    def disable_inbound_webhook(webhook_id: UUID, actor: editor, response: Response) -> InboundWebhookSaved:
        """Answer 401 from now on, as if there were no such webhook."""
        return _with_etag(service.set_active(actor, webhook_id, False), response)


def _add_making_and_unmaking(router: APIRouter, service: InboundWebhookService, access: Access) -> None:
    creator = Annotated[Actor, Depends(access.require("inbound_webhook:create", *INBOUND_WEBHOOKS))]
    remover = Annotated[Actor, Depends(access.require("inbound_webhook:delete", *INBOUND_WEBHOOKS))]

    @router.post(_PATH, status_code=201, response_model_exclude_unset=True, responses=_NO_ROOM)
    def create_inbound_webhook(body: CreateBody, actor: creator, response: Response) -> InboundWebhookSaved:
        """Make a webhook. A secret that was generated is in the answer, this once."""
        shown = service.create(actor, body)
        response.headers["Location"] = f"/api/v1{_PATH}/{shown.id}"
        return _with_etag(shown, response)

    @router.delete(
        _ONE,
        status_code=204,
        responses={409: {"description": "Another webhook uses its external ids"}, 412: _CHANGED[412]},
    )
    def delete_inbound_webhook(webhook_id: UUID, actor: remover, if_match: IfMatch = None) -> None:
        """Delete a webhook with its external ids. Its deliveries stay in the log."""
        service.delete(actor, webhook_id, if_match)


def _with_etag(shown: InboundWebhookSaved, response: Response) -> InboundWebhookSaved:
    response.headers["ETag"] = etag_of(shown.version)
    return shown
