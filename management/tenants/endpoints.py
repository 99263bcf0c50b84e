"""GET /tenants, GET and PATCH /tenants/{tenant_id}."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from management.access import Access, Actor
from management.paging import Page, PageQuery
from management.tenants.schemas import Tenant, TenantUpdateInput
from management.tenants.service import TenantService


def tenant_routes(service: TenantService, access: Access) -> APIRouter:
    """The routes of the resource."""
    reader = Annotated[Actor, Depends(access.require("tenant:read"))]
    editor = Annotated[Actor, Depends(access.require("tenant:update"))]
    router = APIRouter(tags=["tenants"])

    @router.get("/tenants")
    def list_tenants(wanted: PageQuery, actor: reader) -> Page[Tenant]:
        """The caller's own tenant, and no other."""
        return service.page(actor, wanted)

    @router.get("/tenants/{tenant_id}")
    def get_tenant(tenant_id: UUID, actor: reader) -> Tenant:
        """The caller's own tenant."""
        return service.get(actor, tenant_id)

    @router.patch("/tenants/{tenant_id}")
    def update_tenant(tenant_id: UUID, wanted: TenantUpdateInput, actor: editor) -> Tenant:
        """Rename the caller's own tenant, or have its log kept longer or shorter. Everything else is the operator's."""
        return service.update(actor, tenant_id, wanted)

    return router
