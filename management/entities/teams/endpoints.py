"""GET and POST /teams, GET, PATCH and DELETE /teams/{team_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.routes import EntityRoutes, entity_routes
from management.entities.teams.schemas import Team, TeamCreateInput, TeamFilter, TeamUpdateInput
from management.entities.teams.service import TeamService

_TEAMS = EntityRoutes(
    path="/teams",
    one="team",
    many="teams",
    about="Teams that tickets are assigned to.",
    shown=Team,
    wanted=TeamFilter,
    create=TeamCreateInput,
    update=TeamUpdateInput,
)


def team_routes(service: TeamService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_TEAMS, service, access)
