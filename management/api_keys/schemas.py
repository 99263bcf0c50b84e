"""An API key as the API shows it: never the key itself, but once when it is made."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from management.moments import Moment
from management.paging import PageRequest
from management.permissions import EVERYTHING, PERMISSIONS

NAME_LENGTH_MAX = 255
_PermissionName = Annotated[str, Field(max_length=64, json_schema_extra={"enum": [EVERYTHING, *sorted(PERMISSIONS)]})]


class ApiKeyFilter(PageRequest):
    """Which keys a list shows; the time window is of `created_at`: since ≤ t < until."""

    active: bool | None = Field(
        default=None, description="true: keys that work now; false: revoked, expired, or of a user who is not active"
    )


class ApiKeyUser(BaseModel):
    """Whose rights bound the key's."""

    id: UUID
    username: str
    full_name: str


class ApiKey(BaseModel):
    """A key without the key. `permissions` is `["*"]` where it has every right its user has."""

    id: UUID
    name: str
    prefix: str = Field(description="The first 8 characters, to tell keys apart")
    permissions: list[str]
    user: ApiKeyUser | None = Field(description="null: a key of the installation's own, bound by its permissions alone")
    is_active: bool
    last_used_at: str | None = Field(description="RFC 3339, UTC; exact to a minute")
    last_used_from: str | None = Field(description="the address of that call")
    created_by: dict[str, Any]
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class CreatedApiKey(ApiKey):
    """The one answer that holds the key."""

    key: str = Field(description="shown this once; only its hash is kept")


class ApiKeyCreateInput(BaseModel):
    """What a new key may do: no more than whoever makes it, and never more than its user may at that moment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=NAME_LENGTH_MAX, pattern=r"\S")
    permissions: list[_PermissionName] = Field(
        min_length=1,
        max_length=2 * len(PERMISSIONS),
        description='names like `delivery:read`, or `["*"]` for all, which takes all to give',
        examples=[["delivery:read", "rejection:read"]],
    )
    expires_at: Moment | None = Field(default=None, description="in the future, at most ten years ahead")
