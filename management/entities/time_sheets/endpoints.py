"""GET and POST /time-sheets, GET, PATCH and DELETE /time-sheets/{time_sheet_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.routes import EntityRoutes, entity_routes
from management.entities.time_sheets.schemas import (
    TimeSheet,
    TimeSheetCreateInput,
    TimeSheetFilter,
    TimeSheetUpdateInput,
)
from management.entities.time_sheets.service import TimeSheetService

_ROUTES = EntityRoutes(
    path="/time-sheets",
    one="time_sheet",
    many="time_sheets",
    about="Time sheets: what a user hands in of a period.",
    shown=TimeSheet,
    wanted=TimeSheetFilter,
    create=TimeSheetCreateInput,
    update=TimeSheetUpdateInput,
    clash="The user has a sheet of the period",
    in_use="Time entries are on it",
)


def time_sheet_routes(service: TimeSheetService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_ROUTES, service, access)
