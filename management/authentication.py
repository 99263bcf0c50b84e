"""The dependency by which an endpoint learns who calls."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Header

from management.api_keys.service import ApiKeyService, Caller

Authenticate = Callable[..., Caller]


def bearer_authentication(service: ApiKeyService) -> Authenticate:
    """A FastAPI dependency that answers the caller or raises UnauthorizedError."""

    def authenticate(authorization: Annotated[str | None, Header(include_in_schema=False)] = None) -> Caller:
        return service.authenticate(authorization)

    return authenticate
