"""Errors of the API, each with its HTTP status and code.

ApiError
├── ValidationFailedError     400  the body is not acceptable; every problem with its path
├── SearchTooWideError        400  it took longer than a search may: less has to be searched
├── UnauthorizedError         401  no proof of who calls, or a malformed, unknown, expired or revoked one: all alike
├── ForbiddenError            403  the caller lacks the permission named
├── EntitlementRequiredError  403  the tenant lacks the entitlement named
├── NotFoundError             404  no such thing in this tenant
├── NotAcceptableError        406  the answer's form is not among those asked for
├── ConflictError             409  it clashes with something that is there
│   └── ReplayRefusedError    409  a delivery that may not be replayed; its code says why
├── GoneError                 410  what is needed for it was there once
├── PreconditionFailedError   412  somebody else changed it since it was read
├── BodyTooLargeError         413  the body is over the cap
├── ErrorRateRisesError       422  more of the webhook's real requests would fail than before, which was not wanted
├── TooManyRequestsError      429  the tenant's calls, or sign-ins, of this minute are used up
└── UnavailableError          503  a store is away
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from infra.errors import HooklineError


class Problem(NamedTuple):
    """One thing that is wrong. `path` is dotted from the body's root: `auth_config.ip_cidrs.0`."""

    path: str
    message: str


class ApiError(HooklineError):
    """An answer other than success; `str(error)` is its message."""

    status = 500
    code = "internal"

    def __init__(
        self, message: str, *, details: Sequence[Problem] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.details = tuple(details)
        self.headers = dict(headers or {})


class ValidationFailedError(ApiError):
    """The body is not acceptable. All problems come at once."""

    status = 400
    code = "validation_error"

    def __init__(self, details: Sequence[Problem]) -> None:
        super().__init__("the request is not valid", details=details)


class SearchTooWideError(ApiError):
    """What was asked for takes more work than one request may make."""

    status = 400
    code = "search_too_wide"

    def __init__(self, seconds_max: float) -> None:
        super().__init__(
            f"the search took longer than {seconds_max:g} seconds; narrow it: by since and until, by webhook_id, or by "
            "other filters"
        )


class UnauthorizedError(ApiError):
    """Nobody we know."""

    status = 401
    code = "unauthorized"

    def __init__(self, message: str = "a valid API key (Authorization: Bearer ixk_…) or session is required") -> None:
        super().__init__(message, headers={"WWW-Authenticate": "Bearer"})


class ForbiddenError(ApiError):
    """The caller may not do this."""

    status = 403
    code = "forbidden"


class EntitlementRequiredError(ApiError):
    """The tenant has not got this."""

    status = 403
    code = "entitlement_required"

    def __init__(self, entitlement: str) -> None:
        super().__init__(f"this tenant is not entitled to {entitlement}")


class NotFoundError(ApiError):
    """No such thing in this tenant."""

    status = 404
    code = "not_found"


class NotAcceptableError(ApiError):
    """The answer has a form that the request does not ask for."""

    status = 406
    code = "not_acceptable"


class ConflictError(ApiError):
    """It clashes with something that is there."""

    status = 409
    code = "conflict"


class ReplayRefusedError(ConflictError):
    """The delivery may not be replayed now. `code` is one of `webhook_inactive`, `invalid_json`, `replay_limit`,
    `already_done`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class AlreadyDoneError(ReplayRefusedError):
    """The mode is `fill`, and nothing is missing. `why`: `management.replaying.done.Done.words`."""

    def __init__(self, why: str) -> None:
        super().__init__("already_done", f"there is nothing to fill: {why}")


class GoneError(ApiError):
    """What is needed for it was there once."""

    status = 410
    code = "gone"


class PreconditionFailedError(ApiError):
    """Somebody else changed it since it was read."""

    status = 412
    code = "precondition_failed"


class BodyTooLargeError(ApiError):
    """The rest of the body is not wanted: the connection ends with this answer."""

    status = 413
    code = "body_too_large"

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"a body may have {bytes_max:,} bytes at most", headers={"Connection": "close"})


class ErrorRateRisesError(ApiError):
    """More of the webhook's real requests would fail than do now; `details` say where."""

    status = 422
    code = "error_rate_rises"


class TooManyRequestsError(ApiError):
    """Too many in too short a time; the headers say when to come back."""

    status = 429
    code = "rate_limited"


class UnavailableError(ApiError):
    """A store that is needed to answer is away; try again."""

    status = 503
    code = "unavailable"
