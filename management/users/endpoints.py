"""GET and POST /users, GET, PATCH and DELETE /users/{user_id}, and passwords: one's own and somebody else's."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from management.access import Access, Actor
from management.paging import Page
from management.users.schemas import (
    OwnPasswordInput,
    PasswordInput,
    User,
    UserCreateInput,
    UserFilter,
    UserUpdateInput,
)
from management.users.service import UserService

_TAKEN: dict[int | str, dict[str, str]] = {409: {"description": "The e-mail address or the user name is taken"}}
_LAST: dict[int | str, dict[str, str]] = {409: {"description": "Taken, or it is the last active admin"}}
_IN_USE: dict[int | str, dict[str, str]] = {409: {"description": "Tickets refer to it, or it is the last active admin"}}


def user_routes(service: UserService, access: Access) -> APIRouter:
    """The routes of the resource."""
    known = Annotated[Actor, Depends(access.require(None))]
    reader = Annotated[Actor, Depends(access.require("user:read"))]
    creator = Annotated[Actor, Depends(access.require("user:create"))]
    editor = Annotated[Actor, Depends(access.require("user:update"))]
    deleter = Annotated[Actor, Depends(access.require("user:delete"))]
    router = APIRouter(tags=["users"])

    @router.get("/users")
    def list_users(wanted: Annotated[UserFilter, Query()], actor: reader) -> Page[User]:
        """Users of the tenant, newest first."""
        return service.page(actor.tenant_id, wanted)

    @router.post("/users", status_code=201, responses=_TAKEN)
    def create_user(wanted: UserCreateInput, actor: creator) -> User:
        """A user with roles that allow no more than the caller may."""
        return service.create(actor, wanted)

    @router.put("/users/me/password", status_code=204)
    def change_own_password(wanted: OwnPasswordInput, actor: known) -> None:
        """Another password for whoever is signed in. Ends all their other sessions."""
        service.change_own_password(actor, wanted)

    @router.get("/users/{user_id}")
    def get_user(user_id: UUID, actor: reader) -> User:
        """One user."""
        return service.get(actor.tenant_id, user_id)

    @router.patch("/users/{user_id}", responses=_LAST)
    def update_user(user_id: UUID, wanted: UserUpdateInput, actor: editor) -> User:
        """Change a user. `is_active: false` ends their sessions and revokes their API keys, at once and for good."""
        return service.update(actor, user_id, wanted)

    @router.delete("/users/{user_id}", status_code=204, responses=_IN_USE)
    def delete_user(user_id: UUID, actor: deleter) -> None:
        """Delete a user with their sessions and API keys; one that tickets refer to can only be deactivated."""
        service.delete(actor, user_id)

    @router.put("/users/{user_id}/password", status_code=204)
    def set_password(user_id: UUID, wanted: PasswordInput, actor: editor) -> None:
        """A password for somebody else. Ends all their sessions."""
        service.set_password(actor, user_id, wanted)

    return router
