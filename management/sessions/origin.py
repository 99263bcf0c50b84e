"""Requests that another site made a browser send, and what tells them from our own pages' requests."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from urllib.parse import urlsplit

from fastapi import Request

from management.errors import ForbiddenError

CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PURPOSE = b"hookline-csrf"
_OWN_SITES = ("same-origin", "none")


def csrf_token(session_token: str) -> str:
    """The value of X-CSRF-Token that belongs to a session: derived from its cookie, which no page can read."""
    digest = hmac.digest(session_token.encode(), _PURPOSE, hashlib.sha256)
    return urlsafe_b64encode(digest).decode().rstrip("=")


def require_csrf_token(request: Request, session_token: str) -> None:
    """Raises ForbiddenError unless the request shows the session's token, which a page of another site cannot have."""
    given = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(given.encode(), csrf_token(session_token).encode()):
        raise ForbiddenError(f"the header {CSRF_HEADER} is missing, or not this session's csrf_token")


def require_same_origin(request: Request) -> None:
    """Raises ForbiddenError when the browser says that another site made it send this.

    `Sec-Fetch-Site` decides where there is one, since a proxy may change Host; else Origin must name the host that was
    asked. A caller that sends neither is no browser, or one so old that the CSRF token alone must do.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        own = site in _OWN_SITES
    else:
        own = origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
    if not own:
        raise ForbiddenError("this request was sent by a page of another site")
