"""Project tasks as the API takes and shows them."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from management.entities.schemas import (
    EntityFilter,
    EntityShown,
    LongText,
    MappedInput,
    Name,
    Search,
    StoredMoment,
    Time,
    Title,
)
from management.patching import PatchInput

Hours = Annotated[float, Field(strict=True, ge=0, le=1_000_000, allow_inf_nan=False)]


class ProjectTaskFilter(EntityFilter):
    """Which tasks a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a task name")
    project_id: UUID | None = None
    phase_id: UUID | None = None
    status_id: UUID | None = None
    assigned_to: UUID | None = None
    is_closed: bool | None = None


class ProjectTask(EntityShown):
    """What is to be done in a phase of a project. It has a time of completion exactly while its status is closed.

    `webhook_id` and `delivery_id` say where it came from, if an action made it.
    """

    project_id: UUID
    phase_id: UUID
    status_id: UUID
    is_closed: bool
    task_name: str
    description: str | None
    assigned_to: UUID | None
    estimated_hours: float | None
    due_date: Time | None
    priority_id: UUID | None
    task_type_key: str
    service_id: UUID | None
    webhook_id: UUID | None
    delivery_id: UUID | None
    completed_at: Time | None


class ProjectTaskCreateInput(MappedInput):
    """A new task."""

    project_id: UUID
    phase_id: UUID | None = Field(default=None, description="a phase of the project; else its first")
    status_id: UUID | None = Field(
        default=None, description="a status of the project, or one of all projects; else the first that is not closed"
    )
    task_name: Title
    description: LongText | None = None
    assigned_to: UUID | None = Field(default=None, description="a user")
    estimated_hours: Hours | None = None
    due_date: StoredMoment | None = None
    priority_id: UUID | None = Field(default=None, description="a ticket priority")
    task_type_key: Name = "task"
    service_id: UUID | None = None


class ProjectTaskUpdateInput(PatchInput):
    """What to change of a task, which stays in its project."""

    phase_id: UUID = UUID(int=0)
    status_id: UUID = UUID(int=0)
    task_name: Title = ""
    description: LongText | None = None
    assigned_to: UUID | None = None
    estimated_hours: Hours | None = None
    due_date: StoredMoment | None = None
    priority_id: UUID | None = None
    task_type_key: Name = ""
    service_id: UUID | None = None
