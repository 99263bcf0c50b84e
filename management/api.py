"""The application: routes, the one error format, and what becomes of every error."""

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from psycopg import errors as postgres_errors
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from infra.errors import ClickHouseRefusedError, ClickHouseUnavailableError, PostgresUnavailableError
from infra.log import get_logger
from management.answers import answer_of, error_answer
from management.boundary import API, Boundary
from management.docs import docs_routes
from management.errors import ApiError, Problem, UnavailableError
from management.openapi import describe

_CODES = {400: "validation_error", 404: "not_found", 405: "method_not_allowed"}
#: A statement over its time, and transactions that stood in each other's way: nothing was written.
_TRY_AGAIN = (
    postgres_errors.QueryCanceled,
    postgres_errors.DeadlockDetected,
    postgres_errors.SerializationFailure,
)
_RETRY_AFTER_SECONDS = "2"
_log = get_logger(__name__)


def build_application(resources: list[APIRouter], operations: list[APIRouter]) -> FastAPI:
    """`resources` live under /api/v1, `operations` (health, status) at the root."""
    application = FastAPI(
        title="Hookline",
        version="1",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    for router in (*resources, docs_routes()):
        application.include_router(router, prefix=API)
    for router in operations:
        application.include_router(router)
    application.add_exception_handler(ApiError, _on_api_error)
    application.add_exception_handler(RequestValidationError, _on_invalid_request)
    application.add_exception_handler(HTTPException, _on_http_error)
    for unavailable in (PostgresUnavailableError, ClickHouseUnavailableError, ClickHouseRefusedError, *_TRY_AGAIN):
        application.add_exception_handler(unavailable, _on_store_error)
    application.add_middleware(Boundary)
    describe(application)
    return application


async def _on_api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for this class
    return answer_of(error)


async def _on_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    details = [
        Problem(".".join(str(part) for part in problem["loc"][1:]), problem["msg"]) for problem in error.errors()
    ]
    return error_answer(400, "validation_error", "the request is not valid", details)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    code = _CODES.get(error.status_code, "http_error")
    answer = error_answer(error.status_code, code, str(error.detail))
    if error.status_code == 405:
        answer.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return answer


def _methods(request: Request) -> set[str]:
    """What the path takes, whichever of its routes takes it."""
    path = request.url.path
    return {
        method
        for route in iter_route_contexts(request.app.routes)
        if route.path is not None and compile_path(route.path)[0].match(path)
        for method in route.methods or ()
    }


async def _on_store_error(request: Request, error: Exception) -> Response:
    """The cause goes to the log: a store's words may name hosts and tables."""
    reason = type(error).__name__ if isinstance(error, _TRY_AGAIN) else str(error)
    _log.warning("management.store_unavailable", path=request.url.path, reason=reason)
    answer = error_answer(UnavailableError.status, UnavailableError.code, "a store is away, try again")
    answer.headers["Retry-After"] = _RETRY_AFTER_SECONDS
    return answer
