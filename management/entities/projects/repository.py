"""Projects in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.entities.documents import Row
from infra.postgres import Connection, Pool
from management.access import Actor
from management.entities.references import References
from management.entities.repository import EntityRepository, EntityTable
from management.errors import ConflictError, Problem

_TABLE = EntityTable(
    resource="project",
    folder=Path(__file__).parent,
    columns=("client_id", "name", "description", "is_active"),
    taken={"projects_name_key": Problem("name", "the client has a project of this name already")},
    unknown={"projects_client_fkey": Problem("client_id", "there is no such client")},
    in_use="tasks belong to this project: deactivate it instead",
    mapped_as="project",
)


class ProjectRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)

    def completed(self, connection: Connection, actor: Actor, before: Row | None, row: Row) -> Row:
        """The client is there and active where it is named anew."""
        References(connection, actor.tenant_id).require_changed(before or {}, row, {"client_id": "client"})
        return row

    def check_deletion(self, connection: Connection, actor: Actor, before: Row) -> None:
        """Tasks would go with it. Raises ConflictError."""
        found = self.execute(connection, "find_task", {"tenant_id": actor.tenant_id, "id": before["id"]}).fetchone()
        if found is not None:
            raise ConflictError(self.table.in_use)
