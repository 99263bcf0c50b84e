"""Errors of the API, each with its HTTP status and code.

ApiError
├── UnauthorizedError   401  no key, a malformed, unknown or revoked one: always the same answer
├── NotFoundError       404  no such thing in this tenant
└── UnavailableError    503  a store is away
"""

from infra.errors import HooklineError


class ApiError(HooklineError):
    """An answer other than success; `str(error)` is its message."""

    status = 500
    code = "internal"


class UnauthorizedError(ApiError):
    """No usable API key."""

    status = 401
    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__("a valid API key is required: Authorization: Bearer ixk_…")


class NotFoundError(ApiError):
    """No such thing in this tenant."""

    status = 404
    code = "not_found"


class UnavailableError(ApiError):
    """A store that is needed to answer is away; try again."""

    status = 503
    code = "unavailable"
