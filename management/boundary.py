"""The outermost layer of the API: request ids, bounds on what comes in, headers on what goes out, one measurement."""

import re
import time
import traceback
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra import metrics
from infra.clock import now_us
from infra.ids import uuid7_text
from infra.log import get_logger
from management.answers import SECURITY_HEADERS, answer_of, error_answer
from management.errors import ApiError, BodyTooLargeError, Problem, ValidationFailedError
from management.request_body import check_body, drain, read_body, replayed

API = "/api/v1"
_RESOURCES = (
    *("api-keys", "audit", "deliveries", "event-types", "inbound-webhooks", "ledger", "metrics", "permissions"),
    *("rejections", "roles", "sessions", "tenants", "users"),
    *("assets", "boards", "client-locations", "clients", "contacts", "external-entity-mappings", "services", "teams"),
    *("ticket-categories", "ticket-priorities", "ticket-statuses", "tickets"),
    *("interactions", "invoices", "non-billable-categories", "project-phases", "project-statuses", "project-tasks"),
    *("projects", "tags", "time-entries", "time-periods", "time-sheets"),
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_FRAMES_LOGGED_MAX = 12
_log = get_logger(__name__)


class Boundary:
    """An ASGI middleware. What the application raises and nobody handled becomes a 500 that says nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        given = Headers(scope=scope).get("x-request-id", "")
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = given if _REQUEST_ID.fullmatch(given) else uuid7_text(now_us())
        answer = _Answer(scope, state, send)
        await self._run(scope, receive, answer)
        parts = scope["path"].removeprefix(f"{API}/").split("/")
        resource = parts[0] if parts[0] in _RESOURCES else "other"
        metrics.MANAGEMENT_REQUESTS.labels(resource, str(answer.status)).inc()
        metrics.MANAGEMENT_ANSWER_SECONDS.labels(resource).observe(time.perf_counter() - started)

    async def _run(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            if _is_api(scope):
                bounded = await _bounded(scope, receive)
                if bounded is None:
                    return
                receive = bounded
            await self._app(scope, receive, answer.send)
        except BodyTooLargeError as error:
            await _refuse_body(error, receive, answer)
        except ApiError as error:
            await answer_of(error)(scope, receive, answer.send)
        except Exception as error:  # noqa: BLE001 - the last place where an error of ours can become an answer
            _log_unexpected(scope, error)
            if answer.status == 0:
                message = "something went wrong here; the log has more under this answer's X-Request-Id"
                await error_answer(500, ApiError.code, message)(scope, receive, answer.send)


class _Answer:
    """Adds headers to the answer on its way out and remembers its status (0: none was sent)."""

    def __init__(self, scope: Scope, state: Mapping[str, Any], send: Send) -> None:
        self._scope = scope
        self._state = state
        self._send = send
        self.status = 0

    async def send(self, message: Message) -> None:
        """As ASGI says."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._state["request_id"]
            for name, value in SECURITY_HEADERS.items() if _is_api(self._scope) else ():
                headers.setdefault(name, value)
            headers.update(self._state.get("rate_headers", {}))
        await self._send(message)


async def _bounded(scope: Scope, receive: Receive) -> Receive | None:
    """A `receive` that gives the body, which was read and checked; None when the client went away. Raises ApiError."""
    if b"%00" in scope["query_string"] or "\0" in scope["path"]:
        raise ValidationFailedError([Problem("", "the address holds the character U+0000")])
    headers = Headers(scope=scope)
    body = await read_body(headers.get("content-length"), receive)
    if body is None:
        return None
    check_body(body, headers.get("content-type", ""))
    return replayed(body, receive)


async def _refuse_body(error: BodyTooLargeError, receive: Receive, answer: _Answer) -> None:
    """The answer goes out at once; the connection ends when the client has had time to read it."""
    refusal = answer_of(error)
    await answer.send({"type": "http.response.start", "status": refusal.status_code, "headers": refusal.raw_headers})
    await answer.send({"type": "http.response.body", "body": refusal.body, "more_body": True})
    await drain(receive)
    await answer.send({"type": "http.response.body", "body": b"", "more_body": False})


def _is_api(scope: Scope) -> bool:
    path: str = scope["path"]
    return path == "/api" or path.startswith("/api/")


def _log_unexpected(scope: Scope, error: Exception) -> None:
    """Where it was raised, not what it says: a message may hold values of a row or of the request."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_LOGGED_MAX:]
    _log.error(
        "management.request.failed",
        request_id=scope["state"]["request_id"],
        method=scope["method"],
        path=scope["path"],
        error=type(error).__name__,
        at=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    )
