"""Projects as the API takes and shows them."""

from uuid import UUID

from pydantic import Field

from management.entities.schemas import EntityFilter, EntityShown, LongText, MappedInput, Name, Search
from management.patching import PatchInput


class ProjectFilter(EntityFilter):
    """Which projects a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a name")
    client_id: UUID | None = None
    is_active: bool | None = None


class Project(EntityShown):
    """Work for a client in phases, made of tasks."""

    client_id: UUID
    name: str
    description: str | None
    is_active: bool


class ProjectCreateInput(MappedInput):
    """A new project. It needs a phase before it can take tasks."""

    client_id: UUID
    name: Name = Field(description="unique among the client's projects, in any case")
    description: LongText | None = None
    is_active: bool = True


class ProjectUpdateInput(PatchInput):
    """What to change of a project."""

    client_id: UUID = UUID(int=0)
    name: Name = Field(default="", description="unique among the client's projects, in any case")
    description: LongText | None = None
    is_active: bool = True
