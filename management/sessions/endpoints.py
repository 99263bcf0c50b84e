"""POST and GET /sessions, GET and DELETE /sessions/current, DELETE /sessions/{session_id}."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from management.access import Access, Actor
from management.authentication import SESSION_COOKIE, ClientAddresses
from management.paging import Page, PageQuery
from management.sessions import browsers
from management.sessions.origin import require_same_origin
from management.sessions.schemas import CurrentSession, Session, SignInInput
from management.sessions.service import SessionService
from management.sessions.sign_in import SignedIn, SignInService, Visitor

_BROWSER_COOKIE_PATH = "/api/v1/sessions"


def session_routes(
    service: SessionService,
    sign_ins: SignInService,
    access: Access,
    addresses: ClientAddresses,
    *,
    secure_cookies: bool,
    lifetime_seconds: int,
) -> APIRouter:
    """The routes of the resource. `secure_cookies`: browsers send them back over HTTPS only."""
    known = Annotated[Actor, Depends(access.require(None))]
    router = APIRouter(tags=["sessions"])
    refusals: dict[int | str, dict[str, str]] = {
        401: {"description": "The tenant, the e-mail address or the password is wrong: one answer for all"},
        403: {"description": "Sent by a page of another site"},
        429: {"description": "Too many failed attempts for this account or from this address"},
    }

    @router.post("/sessions", status_code=201, responses=refusals)
    def sign_in(wanted: SignInInput, request: Request, response: Response) -> CurrentSession:
        """Sign in with a password. The session is in the cookie `hookline_session`."""
        require_same_origin(request)
        signed_in = sign_ins.sign_in(wanted, _visitor(request, addresses))
        _set_cookies(response, signed_in, secure=secure_cookies, lifetime_seconds=lifetime_seconds)
        return signed_in.shown

    @router.get("/sessions")
    def list_sessions(wanted: PageQuery, actor: known) -> Page[Session]:
        """The caller's own sessions, newest first."""
        return service.page(actor, wanted)

    @router.get("/sessions/current")
    def get_current_session(request: Request, actor: known) -> CurrentSession:
        """Who is signed in, what they may do, and the CSRF token."""
        return service.current(actor, request.cookies.get(SESSION_COOKIE, ""))

    @router.delete("/sessions/current", status_code=204)
    def sign_out(response: Response, actor: known) -> None:
        """End the session that asks. The browser stays known."""
        service.end_current(actor)
        response.delete_cookie(SESSION_COOKIE, path="/", secure=secure_cookies, httponly=True, samesite="strict")

    @router.delete("/sessions/{session_id}", status_code=204)
    def end_session(session_id: UUID, actor: known) -> None:
        """End one of the caller's own sessions."""
        service.end(actor, session_id)

    return router


def _visitor(request: Request, addresses: ClientAddresses) -> Visitor:
    return Visitor(
        request_id=request.state.request_id,
        source_ip=addresses.of(request),
        user_agent=request.headers.get("user-agent", ""),
        browser_cookie=request.cookies.get(browsers.COOKIE),
        session_cookie=request.cookies.get(SESSION_COOKIE),
    )


def _set_cookies(response: Response, signed_in: SignedIn, *, secure: bool, lifetime_seconds: int) -> None:
    """Neither can be read by a page, nor is sent along from another site."""
    response.set_cookie(
        SESSION_COOKIE,
        signed_in.token,
        max_age=lifetime_seconds,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )
    response.set_cookie(
        browsers.COOKIE,
        signed_in.browser_cookie,
        max_age=browsers.COOKIE_SECONDS,
        path=_BROWSER_COOKIE_PATH,
        secure=secure,
        httponly=True,
        samesite="strict",
    )
