"""The application: routes, the one error format, and a measurement of every answer."""

import re
import time
from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from infra import metrics
from infra.clock import now_us
from infra.errors import ClickHouseRefusedError, ClickHouseUnavailableError, PostgresUnavailableError
from infra.ids import uuid7_text
from infra.log import get_logger
from management.errors import ApiError, Problem, UnavailableError

_API = "/api/v1"
_RESOURCES = (
    *("api-keys", "audit", "deliveries", "event-types", "inbound-webhooks", "permissions", "rejections", "roles"),
    *("sessions", "tenants", "users"),
)
_CODES = {404: "not_found", 405: "method_not_allowed"}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_log = get_logger(__name__)


def build_application(resources: list[APIRouter], operations: list[APIRouter]) -> FastAPI:
    """`resources` live under /api/v1, `operations` (health, status) at the root."""
    application = FastAPI(
        title="Hookline", version="1", openapi_url=f"{_API}/openapi.json", docs_url=f"{_API}/docs", redoc_url=None
    )
    for router in resources:
        application.include_router(router, prefix=_API)
    for router in operations:
        application.include_router(router)
    application.add_exception_handler(ApiError, _on_api_error)
    application.add_exception_handler(RequestValidationError, _on_invalid_request)
    application.add_exception_handler(HTTPException, _on_http_error)
    for unavailable in (PostgresUnavailableError, ClickHouseUnavailableError, ClickHouseRefusedError):
        application.add_exception_handler(unavailable, _on_store_error)
    application.middleware("http")(_measure)
    return application


def _answer(status: int, code: str, message: str, details: Sequence[Problem] = ()) -> JSONResponse:
    content = {"error": {"code": code, "message": message, "details": [problem._asdict() for problem in details]}}
    return JSONResponse(content, status_code=status)


async def _on_api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for this class
    answer = _answer(error.status, error.code, str(error), error.details)
    answer.headers.update(error.headers)
    return answer


async def _on_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    details = [
        Problem(".".join(str(part) for part in problem["loc"][1:]), problem["msg"]) for problem in error.errors()
    ]
    return _answer(400, "validation_error", "the request is not valid", details)


async def _on_http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    return _answer(error.status_code, _CODES.get(error.status_code, "http_error"), str(error.detail))


async def _on_store_error(request: Request, error: Exception) -> Response:
    """The cause goes to the log: a store's words may name hosts and tables."""
    _log.warning("management.store_unavailable", path=request.url.path, reason=str(error))
    return _answer(UnavailableError.status, UnavailableError.code, "a store is away, try again")


async def _measure(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    started = time.perf_counter()
    given = request.headers.get("x-request-id", "")
    request.state.request_id = given if _REQUEST_ID.fullmatch(given) else uuid7_text(now_us())
    response = await call_next(request)
    response.headers["X-Request-Id"] = request.state.request_id
    parts = request.url.path.removeprefix(f"{_API}/").split("/")
    resource = parts[0] if parts[0] in _RESOURCES else "other"
    metrics.MANAGEMENT_REQUESTS.labels(resource, str(response.status_code)).inc()
    metrics.MANAGEMENT_ANSWER_SECONDS.labels(resource).observe(time.perf_counter() - started)
    return response
