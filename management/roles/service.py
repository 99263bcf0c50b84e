"""Roles of a tenant. Nobody makes a role that can do more than they can; the admin role stays as it is."""

from typing import Any
from uuid import UUID

from infra.clock import now_us, rfc3339_of
from infra.ids import uuid7_text
from infra.postgres import Row
from management.access import Actor
from management.errors import ConflictError, Problem, ValidationFailedError
from management.paging import Page, PageMeta
from management.permissions import EVERYTHING, PERMISSIONS, RESOURCES
from management.rights import permissions_of, require_rights
from management.roles.repository import RoleRepository
from management.roles.schemas import PermissionGroup, Role, RoleCreateInput, RoleFilter, RoleUpdateInput


class RoleService:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, repository: RoleRepository) -> None:
        self._repository = repository

    def page(self, tenant_id: UUID, wanted: RoleFilter) -> Page[Role]:
        """A page, newest first."""
        rows, total = self._repository.page(tenant_id, wanted)
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=total)
        return Page(data=[_shown(row) for row in rows], meta=meta)

    def get(self, tenant_id: UUID, role_id: UUID) -> Role:
        """One role. Raises NotFoundError, also for another tenant's."""
        return _shown(self._repository.get(tenant_id, role_id))

    def create(self, actor: Actor, wanted: RoleCreateInput) -> Role:
        """A new role. Raises ValidationFailedError, ForbiddenError, ConflictError."""
        values = _checked(actor, wanted.model_dump())
        return _shown(self._repository.create(actor, UUID(uuid7_text(now_us())), values))

    def update(self, actor: Actor, role_id: UUID, wanted: RoleUpdateInput) -> Role:
        """Change what `wanted` names. Raises NotFoundError and as `create` does."""
        changes = _checked(actor, wanted.changes())
        return _shown(self._repository.update(actor, role_id, changes, lambda row: _require_own(actor, row)))

    def delete(self, actor: Actor, role_id: UUID) -> None:
        """Delete a role that nobody has. Raises NotFoundError, ForbiddenError, ConflictError."""

        def check(row: Row) -> None:
            _require_own(actor, row)
            if row["user_count"]:
                raise ConflictError(f"{row['user_count']} users have this role: take it from them first")

        self._repository.delete(actor, role_id, check)


def permission_groups() -> Page[PermissionGroup]:
    """Every permission there is, by resource; all on one page."""
    groups = [
        PermissionGroup(
            resource=resource,
            operations=list(operations),
            permissions=[f"{resource}:{operation}" for operation in operations],
        )
        for resource, operations in RESOURCES.items()
    ]
    return Page(data=groups, meta=PageMeta(page=1, per_page=len(groups), total=len(groups)))


def _checked(actor: Actor, values: dict[str, Any]) -> dict[str, Any]:
    """The values with permissions sorted, each once. Raises ValidationFailedError, ForbiddenError."""
    if "permissions" not in values:
        return values
    names = values["permissions"]
    problems = [
        Problem(f"permissions.{number}", _unknown(name)) for number, name in enumerate(names) if name not in PERMISSIONS
    ]
    if problems:
        raise ValidationFailedError(problems)
    require_rights(actor, names, "you cannot give permissions that you do not have")
    return {**values, "permissions": sorted(set(names))}


def _unknown(name: str) -> str:
    if name == EVERYTHING:
        return "only the admin role has every permission; name the ones that are meant"
    return f"there is no permission {name!r}: GET /api/v1/permissions lists them"


def _require_own(actor: Actor, row: Row) -> None:
    if row["is_admin"]:
        raise ConflictError("the admin role always has every permission and cannot be changed or deleted")
    require_rights(actor, permissions_of([row]), "this role has permissions that you do not have")


def _shown(row: Row) -> Role:
    return Role(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        is_admin=row["is_admin"],
        permissions=[EVERYTHING] if row["is_admin"] else row["permissions"],
        user_count=row["user_count"],
        created_at=rfc3339_of(row["created_at"]),
        updated_at=rfc3339_of(row["updated_at"]),
    )
