"""API keys: from the header `Authorization` to the caller; making and revoking them."""

import hmac
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from infra.api_keys import hash_api_key, new_api_key, shown_part
from infra.clock import now_us, rfc3339_of
from infra.ids import uuid7_text
from infra.postgres import Row
from management.access import Actor, entitlements_of
from management.api_keys.repository import ApiKeyRepository
from management.api_keys.schemas import ApiKey, ApiKeyCreateInput, ApiKeyFilter, ApiKeyUser, CreatedApiKey
from management.errors import NotFoundError, Problem, TooManyRequestsError, UnauthorizedError, ValidationFailedError
from management.paging import Page, PageMeta
from management.permissions import EVERYTHING, PERMISSIONS, expand
from management.rate_limit import CallRate, FailedKeys

_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +(ixk_[A-Za-z0-9_-]{16,256}) *")
_LIFETIME_DAYS_MAX = 3_653


class KeyCall(NamedTuple):
    """Who calls, and how many calls the tenant has left."""

    actor: Actor
    rate: CallRate


class ApiKeyService:
    """Nothing is cached: a revoked key is refused from the next request on."""

    def __init__(self, repository: ApiKeyRepository, failed_keys: FailedKeys) -> None:
        self._repository = repository
        self._failed_keys = failed_keys

    def authenticate(self, authorization: str, *, request_id: str, source_ip: str) -> KeyCall:
        """The caller, whose call is counted whether it was allowed or not.

        Raises UnauthorizedError, the same for every reason; TooManyRequestsError when the address has shown too many
        keys that are none; PostgresUnavailableError.
        """
        match = _BEARER.fullmatch(authorization)
        key_hash = hash_api_key(match.group(1) if match else "")
        wait_seconds = self._failed_keys.wait_seconds(source_ip, key_hash)
        if wait_seconds:
            raise TooManyRequestsError(
                "too many failed attempts from this address", headers={"Retry-After": str(wait_seconds)}
            )
        found = None if match is None else self._repository.find(key_hash, source_ip)
        if found is None or not hmac.compare_digest(bytes(found[0]["key_hash"]), key_hash):
            self._failed_keys.failed(source_ip, key_hash)
            raise UnauthorizedError
        self._failed_keys.succeeded(key_hash)
        row, rate = found
        return KeyCall(_actor(row, request_id, source_ip), rate)

    def page(self, tenant_id: UUID, wanted: ApiKeyFilter) -> Page[ApiKey]:
        """A page, newest first."""
        rows, total = self._repository.page(tenant_id, wanted)
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=total)
        return Page(data=[_shown(row) for row in rows], meta=meta)

    def get(self, tenant_id: UUID, key_id: UUID) -> ApiKey:
        """One key. Raises NotFoundError, also for another tenant's."""
        row = self._repository.get(tenant_id, key_id)
        if row is None:
            raise NotFoundError(f"no API key {key_id}")
        return _shown(row)

    def create(self, actor: Actor, wanted: ApiKeyCreateInput) -> CreatedApiKey:
        """A new key of the actor's user. Raises ValidationFailedError with every problem, ConflictError for too many
        keys."""
        maker = self._repository.get(actor.tenant_id, actor.id) if actor.type == "api_key" else None
        problems = [*_permission_problems(actor, wanted), *_expiry_problems(wanted, maker)]
        if problems:
            raise ValidationFailedError(problems)
        permissions = [EVERYTHING] if EVERYTHING in wanted.permissions else sorted(set(wanted.permissions))
        key = new_api_key()
        values = {
            "id": UUID(uuid7_text(now_us())),
            "name": wanted.name,
            "key_prefix": shown_part(key),
            "key_hash": hash_api_key(key),
            "permissions": permissions,
            "expires_at": wanted.expires_at,
        }
        audited = {
            "name": wanted.name,
            "prefix": values["key_prefix"],
            "permissions": permissions,
            "user_id": None if actor.user_id is None else str(actor.user_id),
            "expires_at": _text(wanted.expires_at),
        }
        row = self._repository.create(actor, values, audited)
        return CreatedApiKey(**_shown(row).model_dump(), key=key)

    def revoke(self, actor: Actor, key_id: UUID) -> None:
        """The key is dead at once. Raises NotFoundError."""
        if not self._repository.revoke(actor, key_id):
            raise NotFoundError(f"no API key {key_id}")


def _permission_problems(actor: Actor, wanted: ApiKeyCreateInput) -> Iterator[Problem]:
    for number, name in enumerate(wanted.permissions):
        message = _refusal(actor, name)
        if message is not None:
            yield Problem(f"permissions.{number}", message)


def _expiry_problems(wanted: ApiKeyCreateInput, maker: Row | None) -> Iterator[Problem]:
    """A key that expires makes none that lasts longer: whoever was given it for a time would keep what it opens."""
    now, wanted_at = datetime.now(UTC), wanted.expires_at
    if wanted_at is not None and wanted_at <= now:
        yield Problem("expires_at", "this must be in the future")
    if wanted_at is not None and wanted_at > now + timedelta(days=_LIFETIME_DAYS_MAX):
        yield Problem("expires_at", "this must be within ten years")
    made_until: datetime | None = None if maker is None else maker["expires_at"]
    if made_until is not None and (wanted_at is None or wanted_at > made_until):
        yield Problem(
            "expires_at", f"the key that makes this one expires at {rfc3339_of(made_until)}: no later than that"
        )


def _refusal(actor: Actor, name: str) -> str | None:
    if name == EVERYTHING:
        return None if actor.permissions >= PERMISSIONS else "only who has every permission may give every permission"
    if name not in PERMISSIONS:
        return f"there is no permission {name!r}"
    return None if actor.may(name) else f"you do not have the permission {name} yourself"


def _actor(row: Row, request_id: str, source_ip: str) -> Actor:
    return Actor(
        tenant_id=row["tenant_id"],
        tenant_slug=row["tenant_slug"],
        type="api_key",
        id=row["id"],
        name=row["name"],
        user_id=row["user_id"],
        permissions=_permissions(row),
        entitlements=entitlements_of(row),
        request_id=request_id,
        source_ip=source_ip,
    )


def _permissions(row: Row) -> frozenset[str]:
    """What the key and its user both may: taking a right from the user takes it from the key."""
    own = expand(row["permissions"])
    if row["user_id"] is None:
        return own
    return own & expand([EVERYTHING] if row["user_is_admin"] else row["user_permissions"])


def _shown(row: Row) -> ApiKey:
    user = None
    if row["user_id"] is not None:
        user = ApiKeyUser(id=row["user_id"], username=row["username"], full_name=row["full_name"])
    return ApiKey(
        id=row["id"],
        name=row["name"],
        prefix=row["key_prefix"],
        permissions=row["permissions"],
        user=user,
        is_active=row["is_active"],
        last_used_at=_text(row["last_used_at"]),
        last_used_from=row["last_used_from"],
        created_by=row["created_by"],
        created_at=rfc3339_of(row["created_at"]),
        expires_at=_text(row["expires_at"]),
        revoked_at=_text(row["revoked_at"]),
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339_of(moment)
