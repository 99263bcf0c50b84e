"""GET /metrics: the numbers of a time range, in all, by minute or hour, and by webhook."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from management.access import Access, Actor
from management.metrics.schemas import DeliveryMetrics, MetricsRequest
from management.metrics.service import MetricsService


def metrics_routes(service: MetricsService, access: Access) -> APIRouter:
    """The route of the resource."""
    reader = Annotated[Actor, Depends(access.require("metric:read"))]
    router = APIRouter(tags=["metrics"])

    @router.get("/metrics")
    def get_metrics(wanted: Annotated[MetricsRequest, Query()], actor: reader) -> DeliveryMetrics:
        """What the tenant's webhooks got in a time range, the busiest webhooks first; the last 24 hours by default.

        A range is 366 days at most, by minute one day, and widened to whole buckets. Numbers by hour go back 400 days,
        by minute 30. A delivery counts seconds after it is in the delivery log; `counted_until` says how far that has
        come. Pages are of the webhooks.
        """
        return service.measure(actor.tenant_id, wanted)

    return router
