"""GET and POST /time-periods, GET, PATCH and DELETE /time-periods/{time_period_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.routes import EntityRoutes, entity_routes
from management.entities.time_periods.schemas import (
    TimePeriod,
    TimePeriodCreateInput,
    TimePeriodFilter,
    TimePeriodUpdateInput,
)
from management.entities.time_periods.service import TimePeriodService

_ROUTES = EntityRoutes(
    path="/time-periods",
    one="time_period",
    many="time_periods",
    about="Time periods: the days that one time sheet of a user is for.",
    shown=TimePeriod,
    wanted=TimePeriodFilter,
    create=TimePeriodCreateInput,
    update=TimePeriodUpdateInput,
    clash="A day of it belongs to another period",
    in_use="Time sheets are of it",
)


def time_period_routes(service: TimePeriodService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_ROUTES, service, access)
