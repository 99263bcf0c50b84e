"""Signing in, and sessions as the API shows them: never the token, which is in the cookie alone."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from management.passwords import LENGTH_MAX


class SignInInput(BaseModel):
    """Who wants to sign in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str = Field(min_length=1, max_length=64, description="the tenant's slug")
    email: str = Field(min_length=1, max_length=255)
    password: SecretStr = Field(min_length=1, max_length=LENGTH_MAX)


class SessionUser(BaseModel):
    """The person who is signed in."""

    id: UUID
    email: str
    username: str
    full_name: str
    time_zone: str


class SessionTenant(BaseModel):
    """The tenant that the session is for."""

    id: UUID
    slug: str
    name: str
    entitlements: list[str]
    inbound_webhooks_enabled: bool


class CurrentSession(BaseModel):
    """Who is signed in and what they may do.

    `csrf_token` belongs into the header X-CSRF-Token of every call that changes something.
    """

    id: UUID
    user: SessionUser
    tenant: SessionTenant
    is_admin: bool
    permissions: list[str]
    created_at: str
    last_seen_at: str = Field(description="RFC 3339, UTC; exact to a minute")
    expires_at: str = Field(description="it ends earlier when it is not used")
    csrf_token: str


class Session(BaseModel):
    """A signed-in browser."""

    id: UUID
    is_current: bool = Field(description="it is the one that asks")
    created_at: str
    last_seen_at: str
    expires_at: str
    source_ip: str
    user_agent: str
