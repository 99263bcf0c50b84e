"""GET and POST /time-entries, GET, PATCH and DELETE /time-entries/{time_entry_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.routes import EntityRoutes, entity_routes
from management.entities.time_entries.schemas import (
    TimeEntry,
    TimeEntryCreateInput,
    TimeEntryFilter,
    TimeEntryUpdateInput,
)
from management.entities.time_entries.service import TimeEntryService

_ROUTES = EntityRoutes(
    path="/time-entries",
    one="time_entry",
    many="time_entries",
    about="Time entries: who worked on what, and how long.",
    shown=TimeEntry,
    wanted=TimeEntryFilter,
    create=TimeEntryCreateInput,
    update=TimeEntryUpdateInput,
    clash="The time sheet was handed in, or the external id is mapped already",
    in_use="Its time sheet was handed in",
)


def time_entry_routes(service: TimeEntryService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_ROUTES, service, access)
