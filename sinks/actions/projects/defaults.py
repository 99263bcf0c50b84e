"""Where a task begins when its command does not say: the first phase and the first status of its project."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from schemas.actions import ActionContext, RefEntityType
from sinks.actions.choice import invalid
from sinks.actions.projects.task import QUERIES
from sinks.actions.references import Entity, References


@dataclass(frozen=True, slots=True)
class ProjectDefaults:
    """`phases` by project; `statuses` by project (None: all projects) and whether they are closed."""

    phases: Mapping[UUID, UUID]
    statuses: Mapping[tuple[UUID | None, bool], Entity]

    def phase_id(self, project_id: UUID) -> UUID:
        """The first phase. Raises ActionError when the project has none."""
        if project_id not in self.phases:
            raise invalid("phase_id", f"phase_id: project {project_id} has no active phase")
        return self.phases[project_id]

    def status(self, project_id: UUID, *, is_closed: bool) -> Entity:
        """The first status that is open, or closed; of the project's own if it has any. Raises ActionError."""
        has_own = any((project_id, either) in self.statuses for either in (True, False))
        status = self.statuses.get((project_id if has_own else None, is_closed))
        if status is None:
            word = "closed" if is_closed else "open"
            raise invalid("status_id", f"status_id: project {project_id} has no {word} status")
        return status


def load_defaults(context: ActionContext, references: References) -> ProjectDefaults:
    """Read those of every project that `references` hold."""
    named = references.entities.get(RefEntityType.PROJECT, {}).values()
    parameters = {
        "tenant_id": context.tenant_id,
        "project_ids": list({project.id for projects in named for project in projects}),
    }
    phases = context.tx.rows(QUERIES["first_phases"], parameters)
    statuses = context.tx.rows(QUERIES["first_statuses"], parameters)
    return ProjectDefaults(
        {row["project_id"]: row["id"] for row in phases},
        {
            (row["project_id"], row["is_closed"]): Entity(row["id"], row["project_id"], row["is_closed"])
            for row in statuses
        },
    )
