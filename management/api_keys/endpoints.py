"""GET and POST /api-keys, GET and DELETE /api-keys/{key_id}."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from management.access import Access, Actor
from management.api_keys.schemas import ApiKey, ApiKeyCreateInput, ApiKeyFilter, CreatedApiKey
from management.api_keys.service import ApiKeyService
from management.paging import Page

_NO_ROOM: dict[int | str, dict[str, Any]] = {409: {"description": "The tenant has as many keys as it may"}}


def api_key_routes(service: ApiKeyService, access: Access) -> APIRouter:
    """The routes of the resource."""
    reader = Annotated[Actor, Depends(access.require("api_key:read"))]
    creator = Annotated[Actor, Depends(access.require("api_key:create"))]
    deleter = Annotated[Actor, Depends(access.require("api_key:delete"))]
    router = APIRouter(tags=["api-keys"])

    @router.get("/api-keys")
    def list_api_keys(wanted: Annotated[ApiKeyFilter, Query()], actor: reader) -> Page[ApiKey]:
        """Keys of the tenant, newest first."""
        return service.page(actor.tenant_id, wanted)

    @router.post("/api-keys", status_code=201, responses=_NO_ROOM)
    def create_api_key(wanted: ApiKeyCreateInput, actor: creator) -> CreatedApiKey:
        """A key of the caller's own user; `key` is shown this once."""
        return service.create(actor, wanted)

    @router.get("/api-keys/{key_id}")
    def get_api_key(key_id: UUID, actor: reader) -> ApiKey:
        """One key."""
        return service.get(actor.tenant_id, key_id)

    @router.delete("/api-keys/{key_id}", status_code=204)
    def revoke_api_key(key_id: UUID, actor: deleter) -> None:
        """Revoke a key: it is dead at once, for good, and stays in the list. Once more changes nothing."""
        service.revoke(actor, key_id)

    return router
