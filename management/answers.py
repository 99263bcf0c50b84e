"""The one error format, and the headers that every answer of the API has."""

from collections.abc import Sequence

from fastapi.responses import JSONResponse

from management.errors import ApiError, Problem

#: Set unless an answer has its own. Nothing here is to be cached, framed, or run as anything but what it says it is.
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def error_answer(status: int, code: str, message: str, details: Sequence[Problem] = ()) -> JSONResponse:
    """`{"error": {"code", "message", "details"}}`."""
    content = {"error": {"code": code, "message": message, "details": [problem._asdict() for problem in details]}}
    return JSONResponse(content, status_code=status)


def answer_of(error: ApiError) -> JSONResponse:
    """An error of ours with its headers."""
    answer = error_answer(error.status, error.code, str(error), error.details)
    answer.headers.update(error.headers)
    return answer
