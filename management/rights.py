"""Nobody gives away, or changes, more than they have: the one rule about rights, asked wherever rights change."""

from collections.abc import Iterable

from infra.postgres import Row
from management.access import Actor
from management.errors import ForbiddenError
from management.permissions import PERMISSIONS, expand

_NAMED_MAX = 5


def permissions_of(roles: Iterable[Row]) -> frozenset[str]:
    """What roles allow together; rows have `is_admin` and `permissions`."""
    allowed: frozenset[str] = frozenset()
    for role in roles:
        allowed |= PERMISSIONS if role["is_admin"] else expand(role["permissions"])
    return allowed


def require_rights(actor: Actor, permissions: Iterable[str], refusal: str) -> None:
    """Raises ForbiddenError, with `refusal` and the names, unless the actor has every one of these permissions."""
    missing = sorted(set(permissions) - actor.permissions)
    if missing:
        more = f" and {len(missing) - _NAMED_MAX} more" if len(missing) > _NAMED_MAX else ""
        raise ForbiddenError(f"{refusal}: {', '.join(missing[:_NAMED_MAX])}{more}")
