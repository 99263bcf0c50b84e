"""Who calls, and may they: the dependency every endpoint has.

An endpoint says what it needs with `access.require("inbound_webhook:read")`, which answers the `Actor` or raises. The
OpenAPI document reads the permission off the same object, so the two cannot differ.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from fastapi import Request

from infra.postgres import Row
from management.errors import EntitlementRequiredError, ForbiddenError
from management.permissions import PERMISSIONS

#: Entitlements of a tenant, beside the flag `inbound_webhooks_enabled`, which is asked for in the same way.
INBOUND_WEBHOOKS = ("webhooks", "inbound_webhooks_enabled")
#: What a tenant needs for calls by API key, to whatever endpoint.
PUBLIC_API = "public_api"


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever proved who they are. Every query is for `tenant_id` and no other.

    `user_id` is the person behind a session or a key (None: a key of the installation's own). `permissions` are
    expanded; `entitlements` are the tenant's, with `inbound_webhooks_enabled` among them while the flag is set.
    `session_id` is None for a key.
    """

    tenant_id: UUID
    tenant_slug: str
    type: Literal["user", "api_key"]
    id: UUID
    name: str
    user_id: UUID | None
    permissions: frozenset[str]
    entitlements: frozenset[str]
    request_id: str
    source_ip: str
    session_id: UUID | None = None

    def may(self, permission: str) -> bool:
        """Whether the permission is held."""
        return permission in self.permissions

    def as_json(self) -> dict[str, Any]:
        """As `created_by`, `changed_by` and audit entries show it."""
        return {"type": self.type, "id": str(self.id), "name": self.name}


def entitlements_of(tenant: Row) -> frozenset[str]:
    """An actor's, from a row with the tenant's `entitlements` and the flag, which counts as one."""
    flags = ["inbound_webhooks_enabled"] if tenant["inbound_webhooks_enabled"] else []
    return frozenset([*tenant["entitlements"], *flags])


Authenticate = Callable[[Request], Actor]


class Requirement:
    """A FastAPI dependency: the caller, who holds `permission` (None: anyone known) in a tenant with `entitlements`."""

    def __init__(self, authenticate: Authenticate, permission: str | None, entitlements: tuple[str, ...]) -> None:
        if permission is not None and permission not in PERMISSIONS:
            raise ValueError(f"unknown permission {permission}")
        self._authenticate = authenticate
        self.permission = permission
        self.entitlements = entitlements

    def __call__(self, request: Request) -> Actor:
        """Raises UnauthorizedError, EntitlementRequiredError, ForbiddenError, and as the stores do."""
        actor = self._authenticate(request)
        needed = self.entitlements if actor.type == "user" else (PUBLIC_API, *self.entitlements)
        for entitlement in needed:
            if entitlement not in actor.entitlements:
                raise EntitlementRequiredError(entitlement)
        if self.permission is not None and not actor.may(self.permission):
            raise ForbiddenError(f"this needs the permission {self.permission}")
        return actor


class Access:
    """Makes requirements; one per application."""

    def __init__(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate

    def require(self, permission: str | None, *entitlements: str) -> Requirement:
        """The dependency of an endpoint that needs this permission, and these entitlements of the tenant."""
        return Requirement(self._authenticate, permission, entitlements)
