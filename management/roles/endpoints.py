"""GET and POST /roles, GET, PATCH and DELETE /roles/{role_id}, GET /permissions."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from management.access import Access, Actor
from management.paging import Page
from management.roles.schemas import PermissionGroup, Role, RoleCreateInput, RoleFilter, RoleUpdateInput
from management.roles.service import RoleService, permission_groups

_TAKEN: dict[int | str, dict[str, str]] = {409: {"description": "The name is taken"}}
_IMMUTABLE: dict[int | str, dict[str, str]] = {409: {"description": "The name is taken, or it is the admin role"}}
_IN_USE: dict[int | str, dict[str, str]] = {409: {"description": "Users have this role, or it is the admin role"}}


def role_routes(service: RoleService, access: Access) -> APIRouter:
    """The routes of the resource."""
    reader = Annotated[Actor, Depends(access.require("role:read"))]
    creator = Annotated[Actor, Depends(access.require("role:create"))]
    editor = Annotated[Actor, Depends(access.require("role:update"))]
    deleter = Annotated[Actor, Depends(access.require("role:delete"))]
    router = APIRouter(tags=["roles"])

    @router.get("/roles")
    def list_roles(wanted: Annotated[RoleFilter, Query()], actor: reader) -> Page[Role]:
        """Roles of the tenant, newest first."""
        return service.page(actor.tenant_id, wanted)

    @router.post("/roles", status_code=201, responses=_TAKEN)
    def create_role(wanted: RoleCreateInput, actor: creator) -> Role:
        """A role with permissions that the caller has."""
        return service.create(actor, wanted)

    @router.get("/roles/{role_id}")
    def get_role(role_id: UUID, actor: reader) -> Role:
        """One role."""
        return service.get(actor.tenant_id, role_id)

    @router.patch("/roles/{role_id}", responses=_IMMUTABLE)
    def update_role(role_id: UUID, wanted: RoleUpdateInput, actor: editor) -> Role:
        """Change a role; its users can do what it says from their next request on."""
        return service.update(actor, role_id, wanted)

    @router.delete("/roles/{role_id}", status_code=204, responses=_IN_USE)
    def delete_role(role_id: UUID, actor: deleter) -> None:
        """Delete a role that nobody has."""
        service.delete(actor, role_id)

    return router


def permission_routes(access: Access) -> APIRouter:
    """What a role or a key can be given."""
    known = Annotated[Actor, Depends(access.require(None))]
    router = APIRouter(tags=["permissions"])

    @router.get("/permissions")
    def list_permissions(_actor: known) -> Page[PermissionGroup]:
        """Every resource with its operations."""
        return permission_groups()

    return router
