"""GET and POST /event-types, GET and DELETE /event-types/{name}, its versions; the list under /inbound-webhooks too."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query

from management.access import INBOUND_WEBHOOKS, Access, Actor
from management.bodies import SchemaOf
from management.event_types.schemas import (
    VERSION_MAX,
    EventType,
    EventTypeCreateInput,
    EventTypeFilter,
    EventTypeVersion,
    EventTypeVersionCreateInput,
    EventTypeWithVersions,
    Json,
)
from management.event_types.service import EventTypeService
from management.paging import Page
from schemas.event_types import NAME_LENGTH_MAX

CreateBody = Annotated[Json, SchemaOf(EventTypeCreateInput), Body()]
VersionBody = Annotated[Json, SchemaOf(EventTypeVersionCreateInput), Body()]
Wanted = Annotated[EventTypeFilter, Query()]
Name = Annotated[str, Path(min_length=1, max_length=NAME_LENGTH_MAX)]
Version = Annotated[int, Path(ge=1, le=VERSION_MAX)]
_PATH = "/event-types"
_ONE = _PATH + "/{name}"
_Answers = dict[int | str, dict[str, Any]]
_TAKEN: _Answers = {409: {"description": "There is such a type already"}}
_INCOMPATIBLE: _Answers = {
    409: {"description": "Not shown to accept all that the newest version does, with the places"}
}
_IN_USE: _Answers = {409: {"description": "A webhook validates against it, or it is one of Hookline's own"}}


def event_type_routes(service: EventTypeService, access: Access) -> APIRouter:
    """The routes of the resource."""
    router = APIRouter(tags=["event types"])
    _add_reading(router, service, access)
    _add_changing(router, service, access)
    return router


def webhook_event_type_routes(service: EventTypeService, access: Access) -> APIRouter:
    """The list as it stands beside the webhooks. It goes before the routes of /inbound-webhooks/{webhook_id}."""
    reader = Annotated[Actor, Depends(access.require("event_type:read", *INBOUND_WEBHOOKS))]
    router = APIRouter(tags=["inbound webhooks"])

    @router.get("/inbound-webhooks/event-types")
    def list_inbound_webhook_event_types(wanted: Wanted, actor: reader) -> Page[EventType]:
        """What bodies of a webhook can be held to: the same list as /event-types."""
        return service.page(actor.tenant_id, wanted)

    return router


def _add_reading(router: APIRouter, service: EventTypeService, access: Access) -> None:
    reader = Annotated[Actor, Depends(access.require("event_type:read"))]

    @router.get(_PATH)
    def list_event_types(wanted: Wanted, actor: reader) -> Page[EventType]:
        """Hookline's own event types, then the tenant's, each by name."""
        return service.page(actor.tenant_id, wanted)

    @router.get(_ONE)
    def get_event_type(name: Name, actor: reader) -> EventTypeWithVersions:
        """One event type with its newest schema."""
        return service.get(actor.tenant_id, name)

    @router.get(_ONE + "/versions/{version}")
    def get_event_type_version(name: Name, version: Version, actor: reader) -> EventTypeVersion:
        """One version of an event type."""
        return service.version(actor.tenant_id, name, version)


def _add_changing(router: APIRouter, service: EventTypeService, access: Access) -> None:
    creator = Annotated[Actor, Depends(access.require("event_type:create"))]
    deleter = Annotated[Actor, Depends(access.require("event_type:delete"))]

    @router.post(_PATH, status_code=201, responses=_TAKEN)
    def create_event_type(body: CreateBody, actor: creator) -> EventTypeVersion:
        """Declare an event type; its schema is version 1."""
        return service.create(actor, body)

    @router.post(_ONE + "/versions", status_code=201, responses=_INCOMPATIBLE)
    def create_event_type_version(name: Name, body: VersionBody, actor: creator) -> EventTypeVersion:
        """Make the next version. Webhooks that are held to an earlier one stay with it."""
        return service.add_version(actor, name, body)

    @router.delete(_ONE, status_code=204, responses=_IN_USE)
    def delete_event_type(name: Name, actor: deleter) -> None:
        """Delete an event type with all its versions."""
        service.delete(actor, name)
