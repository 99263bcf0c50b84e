"""GET /audit."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from management.access import Access, Actor
from management.audit_entries.schemas import AuditEntry, AuditFilter
from management.audit_entries.service import AuditService
from management.paging import Page


def audit_routes(service: AuditService, access: Access) -> APIRouter:
    """The routes of the resource."""
    reader = Annotated[Actor, Depends(access.require("audit_entry:read"))]
    router = APIRouter(tags=["audit"])

    @router.get("/audit")
    def list_audit_entries(wanted: Annotated[AuditFilter, Query()], actor: reader) -> Page[AuditEntry]:
        """Every change of this tenant, newest first."""
        return service.page(actor.tenant_id, wanted)

    return router
