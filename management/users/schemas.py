"""Users as the API takes and shows them: never a password, nor its hash."""

from typing import Annotated
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic_core import PydanticCustomError

from infra.entities.patterns import EMAIL_PATTERN
from management.paging import PageRequest
from management.passwords import LENGTH_MAX
from management.patching import PatchInput

_ROLES_MAX = 100
_PASSWORD_MIN = 1  # the rules of a password name what is wrong; this only says it is there


def _known_time_zone(name: str) -> str:
    if name not in available_timezones():
        raise PydanticCustomError("time_zone", "there is no time zone of this name: they are like Europe/Berlin")
    return name


Email = Annotated[
    str,
    Field(min_length=3, max_length=255, pattern=f"^{EMAIL_PATTERN}$", description="unique in the tenant, in any case"),
]
Username = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^\S+$", description="unique in the tenant")]
FullName = Annotated[str, Field(max_length=255)]
TimeZone = Annotated[str, Field(max_length=64), AfterValidator(_known_time_zone)]
RoleIds = Annotated[list[UUID], Field(max_length=_ROLES_MAX)]
Password = Annotated[
    SecretStr,
    Field(
        min_length=_PASSWORD_MIN, max_length=LENGTH_MAX, description="12 to 1,024 characters, not the e-mail address"
    ),
]


class UserFilter(PageRequest):
    """Which users a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: str = Field(default="", max_length=255, description="part of an e-mail address, user name or full name")
    is_active: bool | None = None


class UserRole(BaseModel):
    """A role that a user has."""

    id: UUID
    name: str
    is_admin: bool


class User(BaseModel):
    """A person of the tenant. Without a password nobody signs in."""

    id: UUID
    email: str
    username: str
    full_name: str
    time_zone: str
    is_active: bool
    has_password: bool
    roles: list[UserRole]
    last_login_at: str | None
    password_changed_at: str | None
    created_at: str
    updated_at: str


class UserCreateInput(BaseModel):
    """A new user, with rights that whoever makes it has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    email: Email
    username: Username
    full_name: FullName = ""
    time_zone: TimeZone = "UTC"
    is_active: bool = True
    password: Password | None = None
    role_ids: RoleIds = []


class UserUpdateInput(PatchInput):
    """What to change of a user. `role_ids` replace the ones there are."""

    email: Email = ""
    username: Username = ""
    full_name: FullName = ""
    time_zone: TimeZone = ""
    is_active: bool = True
    role_ids: RoleIds = Field(default_factory=list)


class PasswordInput(BaseModel):
    """A password for somebody else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    password: Password


class OwnPasswordInput(BaseModel):
    """Another password for oneself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    current_password: Annotated[SecretStr, Field(min_length=1, max_length=LENGTH_MAX)]
    new_password: Password
