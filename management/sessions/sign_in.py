"""Signing in: the same answer and the same work for every way it can fail."""

import secrets
import time
from typing import NamedTuple
from uuid import UUID

from infra.clock import now_us
from infra.ids import uuid7_text
from infra.log import get_logger
from management.access import Actor
from management.errors import UnauthorizedError, UnavailableError
from management.passwords import Passwords
from management.sessions.browsers import KnownBrowser, KnownBrowsers
from management.sessions.failures import Failures, Subject
from management.sessions.repository import NamedAccount, NewSession, SessionRepository
from management.sessions.schemas import CurrentSession, SignInInput
from management.sessions.service import current_session, hash_token

_TOKEN_BYTES = 32
_USER_AGENT_LENGTH_MAX = 512
_REFUSED = "the tenant, the e-mail address or the password is wrong"
_log = get_logger(__name__)


class Visitor(NamedTuple):
    """What a request tells of the browser it comes from. The cookies are as they were sent, true or not."""

    request_id: str
    source_ip: str
    user_agent: str
    browser_cookie: str | None
    session_cookie: str | None


class SignedIn(NamedTuple):
    """A new session, its token, and the cookie that makes the browser known. The token is shown to nobody else."""

    shown: CurrentSession
    token: str
    browser_cookie: str


class SignInService:
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(
        self, repository: SessionRepository, failures: Failures, passwords: Passwords, browsers: KnownBrowsers
    ) -> None:
        self._repository = repository
        self._failures = failures
        self._passwords = passwords
        self._browsers = browsers

    def sign_in(self, wanted: SignInInput, visitor: Visitor) -> SignedIn:
        """A new session. Raises UnauthorizedError, TooManyRequestsError, UnavailableError."""
        now = int(time.time())
        account = self._repository.find_account(wanted.tenant, wanted.email.strip())
        known = self._browsers.recognise(visitor.browser_cookie, at_seconds=now)
        if known is not None and (known.tenant_id, known.user_id) != (account.tenant_id, account.user_id):
            known = None
        if known is None:
            subjects = self._failures.of_stranger(account, visitor.source_ip)
        else:
            subjects = self._failures.of_known_browser(known)
        self._failures.count(subjects)
        password = wanted.password.get_secret_value()
        if not self._verified(account, password, subjects, known):
            raise self._refused(visitor, known)
        signed_in = self._open(account, password, visitor, known, at_seconds=now)
        if signed_in is None:
            raise self._refused(visitor, known)
        self._failures.take_back(subjects, proven=True)
        return signed_in

    def _verified(
        self, account: NamedAccount, password: str, subjects: list[Subject], known: KnownBrowser | None
    ) -> bool:
        try:
            return self._passwords.verify(account.password_hash, password, reserved=known is not None)
        except UnavailableError:
            self._failures.take_back(subjects, proven=False)
            raise

    def _open(
        self, account: NamedAccount, password: str, visitor: Visitor, known: KnownBrowser | None, *, at_seconds: int
    ) -> SignedIn | None:
        tenant_id, user_id, password_hash = account.tenant_id, account.user_id, account.password_hash
        assert tenant_id is not None and user_id is not None and password_hash is not None  # noqa: S101, PT018 - verified
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        session = NewSession(
            id=UUID(uuid7_text(now_us())),
            user_id=user_id,
            token_hash=hash_token(token),
            source_ip=visitor.source_ip,
            user_agent=visitor.user_agent[:_USER_AGENT_LENGTH_MAX],
            presented_hash=None if visitor.session_cookie is None else hash_token(visitor.session_cookie),
        )
        actor = _actor(account, tenant_id, user_id, visitor)
        row = self._repository.open(
            actor, session, password_hash=password_hash, new_hash=self._renewed(password_hash, password)
        )
        if row is None:
            return None
        cookie = self._browsers.remember(tenant_id, user_id, known, at_seconds=at_seconds)
        return SignedIn(current_session(row, token), token, cookie)

    def _renewed(self, password_hash: str, password: str) -> str | None:
        """A hash with the parameters of now, where the stored one has others; it can wait when there is much to do."""
        if not self._passwords.is_outdated(password_hash):
            return None
        try:
            return self._passwords.hash(password)
        except UnavailableError:
            return None

    def _refused(self, visitor: Visitor, known: KnownBrowser | None) -> UnauthorizedError:
        """The address only: what was typed for an e-mail address may be a password."""
        _log.warning(
            "management.sign_in.refused",
            request_id=visitor.request_id,
            source_ip=visitor.source_ip,
            known_browser=known is not None,
        )
        return UnauthorizedError(_REFUSED)


def _actor(account: NamedAccount, tenant_id: UUID, user_id: UUID, visitor: Visitor) -> Actor:
    """Who the audit entry is of; a sign-in itself takes no permission."""
    return Actor(
        tenant_id=tenant_id,
        tenant_slug=account.tenant_slug,
        type="user",
        id=user_id,
        name=account.username,
        user_id=user_id,
        permissions=frozenset(),
        entitlements=frozenset(),
        request_id=visitor.request_id,
        source_ip=visitor.source_ip,
    )
