"""How a request shows who calls."""

from fastapi import Request

from management.access import Actor, Authenticate
from management.api_keys.service import ApiKeyService
from management.errors import UnauthorizedError


def authentication(api_keys: ApiKeyService) -> Authenticate:
    """From a request to the caller; raises UnauthorizedError."""

    def authenticate(request: Request) -> Actor:
        authorization = request.headers.get("authorization")
        if authorization is None:
            raise UnauthorizedError
        return api_keys.authenticate(authorization, request_id=request.state.request_id, source_ip=source_ip(request))

    return authenticate


def source_ip(request: Request) -> str:
    """Address of the peer."""
    return request.client.host if request.client is not None else ""
