"""The OpenAPI 3.1 document: the routes as they are, with what FastAPI cannot know by itself.

Permissions and entitlements come from the same `Requirement` that enforces them; errors have one shape; the receiver,
which is served by another process, is described in `receiver.yaml`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from management.access import Requirement
from management.bodies import SchemaOf
from schemas.workflows import WorkflowWebhookEnvelope

API_VERSION = "1"
DESCRIPTION = "Webhooks in, proven and kept; one effect each. Errors name every problem with its path."
_RECEIVER = Path(__file__).parent / "receiver.yaml"
_REFERENCE = "#/components/schemas/{model}"
_ERROR = {"$ref": "#/components/schemas/Error"}
_RATE_HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
_OF_FASTAPI = ("HTTPValidationError", "ValidationError")
Json = dict[str, Any]


class ErrorDetail(BaseModel):
    """One problem. `path` is dotted from the body's root, or names the parameter."""

    path: str
    message: str


class ErrorContent(BaseModel):
    """`code` is for programs, `message` for people, `details` has every problem of a refused body."""

    code: str
    message: str
    details: list[ErrorDetail]


class Error(BaseModel):
    """What every answer from 400 on looks like."""

    error: ErrorContent


def describe(application: FastAPI) -> None:
    """Have `application` answer the whole document."""
    application.openapi = lambda: _kept(application, lambda: build_document(application))  # type: ignore[method-assign]


def build_document(application: FastAPI) -> Json:
    """The document as JSON values."""
    document = get_openapi(
        title=application.title, version=API_VERSION, description=DESCRIPTION, routes=application.routes
    )
    schemas: Json = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _OF_FASTAPI:
        schemas.pop(name, None)
    _add_models(schemas, application)
    document["components"]["securitySchemes"] = _security_schemes()
    for route, operation in _operations(application, document):
        _complete(operation, route)
        _name_body(operation, route)
    receiver = yaml.safe_load(_RECEIVER.read_text())
    document["paths"] |= receiver["paths"]
    schemas |= receiver["schemas"]
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document


def routes_of(application: FastAPI) -> Iterator[RouteContext]:
    """Every route of the document, with its whole path; those of included routers too."""
    for route in iter_route_contexts(application.routes):
        if isinstance(route.original_route, APIRoute) and route.include_in_schema:
            yield route


def requirements_of(route: RouteContext) -> list[Requirement]:
    """What a route asks of its caller."""
    return [call for call in _calls(route.dependant) if isinstance(call, Requirement)]


def _kept(application: FastAPI, build: Callable[[], Json]) -> Json:
    if application.openapi_schema is None:
        application.openapi_schema = build()
    return application.openapi_schema


def _calls(dependant: Dependant) -> Iterator[object]:
    for dependency in dependant.dependencies:
        yield dependency.call
        yield from _calls(dependency)


def _add_models(schemas: Json, application: FastAPI) -> None:
    """Models that FastAPI does not see: of errors, of bodies that a resource checks by itself, of workflows."""
    inputs = {model for route in routes_of(application) for model in _models_of_body(route)}
    modes: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (Error, "serialization"),
        (WorkflowWebhookEnvelope, "serialization"),
        *((model, "validation") for model in sorted(inputs, key=lambda model: model.__name__)),
    ]
    _, extra = models_json_schema(modes, ref_template=_REFERENCE)
    for name, schema in extra["$defs"].items():
        schemas.setdefault(name, schema)


def _models_of_body(route: RouteContext) -> Iterator[type[BaseModel]]:
    for parameter in route.dependant.body_params:
        yield from (mark.model for mark in parameter.field_info.metadata if isinstance(mark, SchemaOf))


def _name_body(operation: Json, route: RouteContext) -> None:
    for model in _models_of_body(route):
        for content in operation["requestBody"]["content"].values():
            content["schema"] = {"$ref": _REFERENCE.format(model=model.__name__)}


def _operations(application: FastAPI, document: Json) -> Iterator[tuple[RouteContext, Json]]:
    for route in routes_of(application):
        for method in sorted(route.methods or ()):
            yield route, document["paths"][route.path_format][method.lower()]


def _complete(operation: Json, route: RouteContext) -> None:
    """Permission, security, and the answers that every operation of its kind may give."""
    answers: Json = operation["responses"]
    answers.pop("422", None)
    required = requirements_of(route)
    if required:
        operation["security"] = [{"apiKey": []}, {"session": []}]
        permissions = [found.permission for found in required if found.permission is not None]
        entitlements = [name for found in required for name in found.entitlements]
        operation |= {"x-permissions": permissions, "x-entitlements": entitlements}
        answers.setdefault("401", {"description": "No valid API key or session"})
        answers.setdefault("403", {"description": _forbidden(permissions, entitlements)})
        answers.setdefault("429", {"description": "Too many requests of this tenant in this minute"})
    else:
        operation["security"] = []
    answers.setdefault("400", {"description": "The request is not valid; every problem with its path"})
    if "{" in str(route.path_format):
        answers.setdefault("404", {"description": "No such thing in this tenant"})
    answers.setdefault("413", {"description": "The body is larger than 1 MiB"})
    answers.setdefault("503", {"description": "A store is away; try again"})
    for status, answer in answers.items():
        if status >= "400":
            answer["content"] = {"application/json": {"schema": _ERROR}}
            if status in ("429", "503"):
                answer.setdefault("headers", {})["Retry-After"] = _integer(
                    "Whole seconds until it is worth trying again"
                )
        if required and status < "500" and status != "401":
            headers = answer.setdefault("headers", {})
            headers |= {
                name: _integer("Of the tenant's calls by API key; absent for sessions") for name in _RATE_HEADERS
            }
    operation["responses"] = dict(sorted(answers.items()))


def _forbidden(permissions: Sequence[str], entitlements: Sequence[str]) -> str:
    needed = [*(f"permission {name}" for name in permissions), *(f"entitlement {name}" for name in entitlements)]
    return f"Needs {', '.join(needed)}" if needed else "Not allowed"


def _integer(description: str) -> Json:
    return {"description": description, "schema": {"type": "integer"}}


def _security_schemes() -> Mapping[str, Json]:
    return {
        "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key: `Authorization: Bearer ixk_…`"},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "hookline_session",
            "description": "From POST /api/v1/sessions. Methods that change something need X-CSRF-Token besides.",
        },
    }
