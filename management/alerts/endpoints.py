"""GET /alerts, GET /alerts/{alert_id}, POST /alerts/{alert_id}/acknowledge."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from management.access import Access, Actor
from management.alerts.schemas import Alert, AlertFilter
from management.alerts.service import AlertService
from management.paging import Page

_RESOLVED: dict[int | str, dict[str, Any]] = {409: {"description": "It is resolved, and nobody acknowledged it before"}}


def alert_routes(service: AlertService, access: Access) -> APIRouter:
    """The routes of the resource."""
    reader = Annotated[Actor, Depends(access.require("alert:read"))]
    updater = Annotated[Actor, Depends(access.require("alert:update"))]
    router = APIRouter(tags=["alerts"])

    @router.get("/alerts")
    def list_alerts(wanted: Annotated[AlertFilter, Query()], actor: reader) -> Page[Alert]:
        """What Hookline found wrong with the tenant's webhooks, newest first."""
        return service.page(actor.tenant_id, wanted)

    @router.get("/alerts/{alert_id}")
    def get_alert(alert_id: UUID, actor: reader) -> Alert:
        """One alert."""
        return service.get(actor.tenant_id, alert_id)

    @router.post("/alerts/{alert_id}/acknowledge", responses=_RESOLVED)
    def acknowledge_alert(alert_id: UUID, actor: updater) -> Alert:
        """Say that somebody looks after it. Who was first stays."""
        return service.acknowledge(actor, alert_id)

    return router
