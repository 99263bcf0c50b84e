"""Interactions in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.entities.documents import Row
from infra.postgres import Connection, Pool
from management.access import Actor
from management.entities.references import References
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem

_TABLE = EntityTable(
    resource="interaction",
    folder=Path(__file__).parent,
    columns=("client_id", "contact_id", "title", "notes"),
    taken={},
    unknown={
        "interactions_client_fkey": Problem("client_id", "there is no such client"),
        "interactions_contact_fkey": Problem("contact_id", "there is no such contact"),
    },
    in_use="time entries are of this interaction",
)


class InteractionRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)

    def completed(self, connection: Connection, actor: Actor, before: Row | None, row: Row) -> Row:
        """Client and contact are there and active where they are named anew, and the contact is the client's."""
        references = References(connection, actor.tenant_id)
        client_id, contact_id = row["client_id"], row["contact_id"]
        old = before or {}
        references.require_changed(old, row, {"client_id": "client"})
        is_moved = old.get("client_id") != client_id
        if contact_id is not None and (is_moved or "contact_id" in row["given"]):
            references.require_of("contact", contact_id, "contact_id", {client_id}, f"client {client_id}")
        return row
