"""Project tasks in Postgres; every statement is for one tenant."""

from pathlib import Path
from uuid import UUID

from infra.entities.documents import Row
from infra.postgres import Connection, Pool
from management.access import Actor
from management.entities.references import References, refuse
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem

_TABLE = EntityTable(
    resource="project_task",
    folder=Path(__file__).parent,
    columns=(
        *("project_id", "phase_id", "status_id", "is_closed", "task_name", "description", "assigned_to"),
        *("estimated_hours", "due_date", "priority_id", "task_type_key", "service_id", "webhook_id", "delivery_id"),
        "completed_at",
    ),
    taken={},
    unknown={
        "project_tasks_project_fkey": Problem("project_id", "there is no such project"),
        "project_tasks_phase_fkey": Problem("phase_id", "the project has no such phase"),
        "project_tasks_status_fkey": Problem("status_id", "the project has no such status"),
        "project_tasks_assigned_to_fkey": Problem("assigned_to", "there is no such user"),
        "project_tasks_priority_fkey": Problem("priority_id", "there is no such ticket priority"),
        "project_tasks_service_fkey": Problem("service_id", "there is no such service"),
    },
    in_use="time entries are of this task",
    told_as="project_task",
    mapped_as="project_task",
)
_OTHERS = {"assigned_to": "user", "priority_id": "ticket_priority", "service_id": "service"}


class ProjectTaskRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)

    def completed(self, connection: Connection, actor: Actor, before: Row | None, row: Row) -> Row:
        """In a phase and a status of its project, the first ones if it is new and names none; complete if closed."""
        references = References(connection, actor.tenant_id)
        old = before or {}
        if before is None:
            references.require("project", row["project_id"], "project_id")
        references.require_changed(old, row, _OTHERS)
        phase_id = self._phase_id(connection, actor, references, old, row)
        status = self._status(connection, actor, references, old, row)
        if status is None:
            return row | {"phase_id": phase_id}
        completed_at = row["now"] if before is None else before["completed_at"] or row["now"]
        return row | {
            "phase_id": phase_id,
            "status_id": status["id"],
            "is_closed": status["is_closed"],
            "completed_at": completed_at if status["is_closed"] else None,
        }

    def _phase_id(self, connection: Connection, actor: Actor, references: References, old: Row, row: Row) -> UUID:
        project_id, phase_id = row["project_id"], row["phase_id"]
        if phase_id is None:
            wanted = {"tenant_id": actor.tenant_id, "project_id": project_id}
            first: Row | None = self.execute(connection, "first_phase", wanted).fetchone()
            if first is None:
                refuse("phase_id", f"project {project_id} has no active phase")
            phase_id = first["id"]
        elif phase_id != old.get("phase_id"):
            references.require_of("project_phase", phase_id, "phase_id", {project_id}, f"project {project_id}")
        return UUID(str(phase_id))

    def _status(self, connection: Connection, actor: Actor, references: References, old: Row, row: Row) -> Row | None:
        """The status it gets; None: it keeps the one it has."""
        project_id, status_id = row["project_id"], row["status_id"]
        if status_id is None:
            wanted = {"tenant_id": actor.tenant_id, "project_id": project_id}
            first: Row | None = self.execute(connection, "first_status", wanted).fetchone()
            if first is None or first["is_closed"]:
                refuse("status_id", f"project {project_id} has no active status that is not closed")
            return first
        if status_id == old.get("status_id"):
            return None
        scopes = {project_id, None}
        return references.require_of("project_status", status_id, "status_id", scopes, f"project {project_id}")
