"""How a request shows who calls: by a key or, where it brings none, by the cookie of a session."""

from collections.abc import Iterable

from fastapi import Request

from infra.addresses import client_address, parse_networks
from management.access import Actor, Authenticate
from management.api_keys.service import ApiKeyService
from management.errors import TooManyRequestsError, UnauthorizedError
from management.sessions.origin import SAFE_METHODS, require_csrf_token, require_same_origin
from management.sessions.service import SessionService

SESSION_COOKIE = "hookline_session"


class ClientAddresses:
    """Where requests come from; `trusted_proxies` are networks whose `X-Forwarded-For` is believed."""

    def __init__(self, trusted_proxies: Iterable[str]) -> None:
        self._trusted_proxies = parse_networks(trusted_proxies)

    def of(self, request: Request) -> str:
        """The client's address."""
        peer = request.client.host if request.client is not None else ""
        forwarded_for = ",".join(request.headers.getlist("x-forwarded-for"))
        return client_address(peer, forwarded_for, self._trusted_proxies)


def authentication(api_keys: ApiKeyService, sessions: SessionService, addresses: ClientAddresses) -> Authenticate:
    """From a request to the caller; raises UnauthorizedError, ForbiddenError and TooManyRequestsError."""

    def authenticate(request: Request) -> Actor:
        authorization = request.headers.get("authorization")
        if authorization is not None:
            return _by_key(api_keys, authorization, request, addresses.of(request))
        return _by_session(sessions, request, addresses.of(request))

    return authenticate


def _by_key(api_keys: ApiKeyService, authorization: str, request: Request, source_ip: str) -> Actor:
    """Every answer to a call by key says what is left of the tenant's rate, whatever becomes of the call."""
    call = api_keys.authenticate(authorization, request_id=request.state.request_id, source_ip=source_ip)
    request.state.rate_headers = call.rate.headers()
    if not call.rate.allowed:
        raise TooManyRequestsError(
            f"this tenant's {call.rate.limit} calls by API key a minute are used up",
            headers={"Retry-After": str(call.rate.retry_after_seconds)},
        )
    return call.actor


def _by_session(sessions: SessionService, request: Request, source_ip: str) -> Actor:
    """A browser sends the cookie by itself, so what changes something must show that our own page asked for it."""
    token = request.cookies.get(SESSION_COOKIE)
    if token is None:
        raise UnauthorizedError
    actor = sessions.authenticate(token, request_id=request.state.request_id, source_ip=source_ip)
    if request.method not in SAFE_METHODS:
        require_same_origin(request)
        require_csrf_token(request, token)
    return actor
