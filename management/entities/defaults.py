"""Kinds of which one is the default: whoever becomes it takes the place of the one before, in the same transaction."""

from infra.entities.documents import Row
from infra.postgres import Connection
from management.access import Actor
from management.entities.repository import EntityRepository


def take_default(
    repository: EntityRepository, connection: Connection, actor: Actor, before: Row | None, row: Row
) -> None:
    """Run the kind's statement `clear_default` when `row` is about to become the default."""
    if row["is_default"] and row["is_active"] and not (before is not None and before["is_default"]):
        repository.execute(connection, "clear_default", {**row, "tenant_id": actor.tenant_id})
