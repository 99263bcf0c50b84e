"""Every operation of the management API, read off its routes: a new route is in every test that asks for all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from fastapi.routing import RouteContext

from management.access import Requirement
from management.boundary import API
from management.openapi import requirements_of, routes_of
from tools.write_openapi import application

_PARAMETER = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Operation:
    """`path` is below /api/v1. `requirements` are what its caller has to bring; none: it is open to everyone."""

    name: str
    method: str
    path: str
    requirements: tuple[Requirement, ...]

    @property
    def permissions(self) -> tuple[str, ...]:
        """All that are needed."""
        return tuple(one.permission for one in self.requirements if one.permission is not None)

    @property
    def entitlements(self) -> tuple[str, ...]:
        """All that the tenant needs, whoever calls."""
        return tuple(name for one in self.requirements for name in one.entitlements)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names in the path."""
        return tuple(_PARAMETER.findall(self.path))

    def filled(self, values: Mapping[str, str]) -> str:
        """The path with these values."""
        return _PARAMETER.sub(lambda match: values[match[1]], self.path)


@cache
def all_operations() -> tuple[Operation, ...]:
    """In the order of the routes."""
    return tuple(
        _operation(route, method) for route in routes_of(application()) for method in sorted(route.methods or ())
    )


def _operation(route: RouteContext, method: str) -> Operation:
    path = str(route.path_format).removeprefix(API)
    return Operation(str(route.name), method, path, tuple(requirements_of(route)))
