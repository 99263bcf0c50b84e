"""Tasks as they are read and written, and the status of one: of its project, or of all projects."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

from infra.queries import load_queries
from sinks.actions.choice import Choice, invalid
from sinks.actions.entity_set import EntityKind, Row
from sinks.actions.references import Entity

QUERIES = load_queries(Path(__file__).parent / "queries.sql")
TASK = EntityKind(
    "project_task",
    lock=QUERIES["lock_tasks"],
    insert=QUERIES["insert_tasks"],
    update=QUERIES["update_tasks"],
    hidden=frozenset({"status_scope_id"}),
)
#: The scope of a status that belongs to no project.
ALL_PROJECTS = UUID(int=0)


class TaskChoice(Choice):
    """The references of one command on a task."""

    def project(self) -> Entity:
        """The project, by id, name or external id; both must name the same one."""
        project = self.by_either("project_id", self.of("project_id"), "project_external_id")
        if project is None:
            raise invalid("project_id", "project_id or project_external_id is required")
        return project

    def phase(self, project_id: UUID) -> Entity | None:
        """The mapped phase, which must be the project's."""
        return self.of_parent("phase_id", project_id, f"project {project_id}")

    def status(self, project_id: UUID) -> Entity | None:
        """The mapped status. A project's own goes before one of all projects that has the same name."""
        text = self._values.get("status_id")
        found = [] if text is None else self._references.entity("status_id", text)
        scopes = (project_id,) if any(one.parent_id == project_id for one in found) else (None,)
        return self.of("status_id", fits=lambda one: one.parent_id in scopes, owner=f"project {project_id}")


def with_status(task: Row, status: Entity, now: datetime) -> Row:
    """`task` in another status: closed exactly when the status is, and complete since it first was."""
    completed_at = task.get("completed_at") or now
    return task | {
        "status_id": status.id,
        "status_scope_id": status.parent_id or ALL_PROJECTS,
        "is_closed": status.is_closed,
        "completed_at": completed_at if status.is_closed else None,
    }
