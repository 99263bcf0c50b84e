"""Project statuses as the API takes and shows them."""

from uuid import UUID

from pydantic import Field

from management.entities.schemas import EntityFilter, EntityInput, EntityShown, Name, Position, Search
from management.patching import PatchInput


class ProjectStatusFilter(EntityFilter):
    """Which statuses a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a name")
    project_id: UUID | None = None
    is_closed: bool | None = None
    is_active: bool | None = None


class ProjectStatus(EntityShown):
    """Where a task stands, in one project or in all. Tasks that name none begin in the first that is not closed, of the
    project's own if it has any.
    """

    project_id: UUID | None
    name: str
    position: int
    is_closed: bool
    is_active: bool


class ProjectStatusCreateInput(EntityInput):
    """A new status."""

    project_id: UUID | None = Field(default=None, description="the project it is of; null: of all projects")
    name: Name = Field(description="unique in the project, or among those of all projects, in any case")
    position: Position = 0
    is_closed: bool = Field(default=False, description="tasks are complete in it")
    is_active: bool = True


class ProjectStatusUpdateInput(PatchInput):
    """What to change of a status."""

    name: Name = Field(default="", description="unique in the project, or among those of all projects, in any case")
    position: Position = 0
    is_closed: bool = Field(default=False, description="stays as it is while tasks have the status")
    is_active: bool = True
