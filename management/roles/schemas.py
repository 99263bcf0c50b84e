"""Roles and permissions as the API takes and shows them."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from management.paging import PageRequest
from management.patching import PatchInput
from management.permissions import PERMISSIONS

NAME_LENGTH_MAX = 255
DESCRIPTION_LENGTH_MAX = 2_000
_PERMISSION_LENGTH_MAX = 64

RoleName = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH_MAX, pattern=r"\S")]
Description = Annotated[str, Field(max_length=DESCRIPTION_LENGTH_MAX)]
Permissions = Annotated[
    list[Annotated[str, Field(max_length=_PERMISSION_LENGTH_MAX)]],
    Field(max_length=2 * len(PERMISSIONS), examples=[["delivery:read", "inbound_webhook:read"]]),
]


class RoleFilter(PageRequest):
    """Which roles a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: str = Field(default="", max_length=255, description="part of a name or description")


class Role(BaseModel):
    """A set of permissions. The admin role shows `["*"]`: it has all, those of later releases too."""

    id: UUID
    name: str
    description: str
    is_admin: bool
    permissions: list[str]
    user_count: int
    created_at: str
    updated_at: str


class RoleCreateInput(BaseModel):
    """A new role: with no permission that whoever makes it has not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: RoleName
    description: Description = ""
    permissions: Permissions = []


class RoleUpdateInput(PatchInput):
    """What to change of a role. `permissions` replace the ones it has."""

    name: RoleName = ""
    description: Description = ""
    permissions: Permissions = Field(default_factory=list)


class PermissionGroup(BaseModel):
    """What can be done with one kind of thing; `resource:operation` is a permission's name."""

    resource: str
    operations: list[str]
    permissions: list[str]
