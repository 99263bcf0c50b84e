"""From the header `Authorization` to the caller."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from uuid import UUID

from management.api_keys.repository import ApiKeyRepository
from management.errors import UnauthorizedError

_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +(ixk_[A-Za-z0-9_-]{16,256}) *")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever presented a valid key. Every query is for `tenant_id` and no other."""

    tenant_id: UUID
    api_key_id: UUID
    role: str


class ApiKeyService:
    """Nothing is cached: a revoked key is refused from the next request on."""

    def __init__(self, repository: ApiKeyRepository) -> None:
        self._repository = repository

    def authenticate(self, authorization: str | None) -> Caller:
        """The caller. Raises UnauthorizedError, the same for every reason, and PostgresUnavailableError."""
        match = _BEARER.fullmatch(authorization or "")
        key_hash = hashlib.sha256((match.group(1) if match else "").encode()).digest()
        row = self._repository.find(key_hash)
        stored: bytes = row["key_hash"] if row is not None else bytes(32)
        same = hmac.compare_digest(bytes(stored), key_hash)
        if match is None or row is None or not same or row["revoked_at"] is not None:
            raise UnauthorizedError
        self._repository.note_use(row["tenant_id"], row["id"])
        return Caller(row["tenant_id"], row["id"], row["role"])
