"""From the header `Authorization` to the caller."""

import hashlib
import hmac
import re

from infra.postgres import Row
from management.access import Actor
from management.api_keys.repository import ApiKeyRepository
from management.errors import UnauthorizedError
from management.permissions import EVERYTHING, expand

_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +(ixk_[A-Za-z0-9_-]{16,256}) *")


class ApiKeyService:
    """Nothing is cached: a revoked key is refused from the next request on."""

    def __init__(self, repository: ApiKeyRepository) -> None:
        self._repository = repository

    def authenticate(self, authorization: str, *, request_id: str, source_ip: str) -> Actor:
        """The caller. Raises UnauthorizedError, the same for every reason, and PostgresUnavailableError."""
        match = _BEARER.fullmatch(authorization)
        key_hash = hashlib.sha256((match.group(1) if match else "").encode()).digest()
        row = self._repository.find(key_hash, source_ip)
        stored: bytes = row["key_hash"] if row is not None else bytes(32)
        same = hmac.compare_digest(bytes(stored), key_hash)
        if match is None or row is None or not same or row["revoked_at"] is not None or row["is_expired"]:
            raise UnauthorizedError
        if row["user_id"] is not None and not row["user_is_active"]:
            raise UnauthorizedError
        flags = ["inbound_webhooks_enabled"] if row["inbound_webhooks_enabled"] else []
        return Actor(
            tenant_id=row["tenant_id"],
            tenant_slug=row["tenant_slug"],
            type="api_key",
            id=row["id"],
            name=row["name"],
            user_id=row["user_id"],
            permissions=_permissions(row),
            entitlements=frozenset([*row["entitlements"], *flags]),
            request_id=request_id,
            source_ip=source_ip,
        )


def _permissions(row: Row) -> frozenset[str]:
    """What the key and its user both may: taking a right from the user takes it from the key."""
    own = expand(row["permissions"])
    if row["user_id"] is None:
        return own
    return own & expand([EVERYTHING] if row["user_is_admin"] else row["user_permissions"])
