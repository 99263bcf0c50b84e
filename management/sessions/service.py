"""Sessions that are there: who a cookie stands for, and ending them."""

import hashlib
import hmac
from uuid import UUID

from infra.clock import rfc3339_of
from infra.postgres import Row
from management.access import Actor, entitlements_of
from management.errors import ForbiddenError, NotFoundError, UnauthorizedError
from management.paging import Page, PageMeta, PageRequest
from management.permissions import PERMISSIONS, expand
from management.sessions.origin import csrf_token
from management.sessions.repository import SessionRepository
from management.sessions.schemas import CurrentSession, Session, SessionTenant, SessionUser

TOKEN_LENGTH_MAX = 128


class SessionService:
    """Nothing is cached: a session that ended, or a right that was taken, is gone with the next request."""

    def __init__(self, repository: SessionRepository) -> None:
        self._repository = repository

    def authenticate(self, token: str, *, request_id: str, source_ip: str) -> Actor:
        """Whom a cookie stands for. Raises UnauthorizedError, the same for every reason."""
        token_hash = hash_token(token)
        row = self._repository.find(token_hash) if len(token) <= TOKEN_LENGTH_MAX else None
        if row is None or not hmac.compare_digest(bytes(row["token_hash"]), token_hash):
            raise UnauthorizedError
        return session_actor(row, request_id=request_id, source_ip=source_ip)

    def current(self, actor: Actor, token: str) -> CurrentSession:
        """The session that asks. Raises ForbiddenError for an API key."""
        row = self._repository.get(actor.tenant_id, own_session(actor))
        if row is None:
            raise UnauthorizedError
        return current_session(row, token)

    def page(self, actor: Actor, wanted: PageRequest) -> Page[Session]:
        """Sessions of whoever asks, newest first."""
        own = own_session(actor)
        rows, total = self._repository.page(actor.tenant_id, actor.id, wanted)
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=total)
        return Page(data=[_shown(row, own) for row in rows], meta=meta)

    def end_current(self, actor: Actor) -> None:
        """End the session that asks. Raises ForbiddenError for an API key, UnauthorizedError when it ended already."""
        if not self._repository.end(actor, own_session(actor)):
            raise UnauthorizedError

    def end(self, actor: Actor, session_id: UUID) -> None:
        """End a session of whoever asks. Raises NotFoundError, also for another's; ForbiddenError for an API key."""
        own_session(actor)
        if not self._repository.end(actor, session_id):
            raise NotFoundError(f"no session {session_id}")


def hash_token(token: str) -> bytes:
    """What is stored of a session's token: it is 256 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode()).digest()


def own_session(actor: Actor) -> UUID:
    """The session of the call. Raises ForbiddenError for an API key: a key is not the person whose rights it has."""
    if actor.session_id is None:
        raise ForbiddenError("this needs a session: an API key cannot do it")
    return actor.session_id


def session_actor(row: Row, *, request_id: str, source_ip: str) -> Actor:
    """The person whom a session's row stands for."""
    return Actor(
        tenant_id=row["tenant_id"],
        tenant_slug=row["tenant_slug"],
        type="user",
        id=row["user_id"],
        name=row["username"],
        user_id=row["user_id"],
        permissions=_permissions(row),
        entitlements=entitlements_of(row),
        request_id=request_id,
        source_ip=source_ip,
        session_id=row["id"],
    )


def current_session(row: Row, token: str) -> CurrentSession:
    """A session's row with everything a page needs to know about it."""
    return CurrentSession(
        id=row["id"],
        user=SessionUser(
            id=row["user_id"],
            email=row["email"],
            username=row["username"],
            full_name=row["full_name"],
            time_zone=row["time_zone"],
        ),
        tenant=SessionTenant(
            id=row["tenant_id"],
            slug=row["tenant_slug"],
            name=row["tenant_name"],
            entitlements=row["entitlements"],
            inbound_webhooks_enabled=row["inbound_webhooks_enabled"],
        ),
        is_admin=row["is_admin"],
        permissions=sorted(_permissions(row)),
        created_at=rfc3339_of(row["created_at"]),
        last_seen_at=rfc3339_of(row["last_seen_at"]),
        expires_at=rfc3339_of(row["expires_at"]),
        csrf_token=csrf_token(token),
    )


def _permissions(row: Row) -> frozenset[str]:
    return PERMISSIONS if row["is_admin"] else expand(row["permissions"])


def _shown(row: Row, own: UUID) -> Session:
    return Session(
        id=row["id"],
        is_current=row["id"] == own,
        created_at=rfc3339_of(row["created_at"]),
        last_seen_at=rfc3339_of(row["last_seen_at"]),
        expires_at=rfc3339_of(row["expires_at"]),
        source_ip=row["source_ip"],
        user_agent=row["user_agent"],
    )
