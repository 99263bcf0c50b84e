"""Project phases as the API takes and shows them."""

from uuid import UUID

from pydantic import Field

from management.entities.schemas import EntityFilter, EntityInput, EntityShown, Name, Position, Search
from management.patching import PatchInput


class ProjectPhaseFilter(EntityFilter):
    """Which phases a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a name")
    project_id: UUID | None = None
    is_active: bool | None = None


class ProjectPhase(EntityShown):
    """A part of a project. Tasks that name none go to the first."""

    project_id: UUID
    name: str
    position: int
    is_active: bool


class ProjectPhaseCreateInput(EntityInput):
    """A new phase."""

    project_id: UUID
    name: Name = Field(description="unique in the project, in any case")
    position: Position = 0
    is_active: bool = True


class ProjectPhaseUpdateInput(PatchInput):
    """What to change of a phase."""

    name: Name = Field(default="", description="unique in the project, in any case")
    position: Position = 0
    is_active: bool = True
