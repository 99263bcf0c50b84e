"""Tags and where they are, in Postgres; every statement is for one tenant."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from infra.entities.documents import Row
from infra.postgres import Connection, Pool
from management.access import Actor
from management.audit_entries.repository import write_audit_entry
from management.entities.keeping import keep_entity
from management.entities.references import References
from management.entities.repository import EntityRepository, EntityTable
from management.entities.telling import write_told
from management.errors import NotFoundError, Problem

_TABLE = EntityTable(
    resource="tag",
    folder=Path(__file__).parent,
    columns=("tag_text", "background_color", "text_color", "created_by"),
    taken={"tags_text_key": Problem("tag_text", "there is a tag of this text already")},
    unknown={"tags_created_by_fkey": Problem("created_by", "there is no such user")},
    in_use="something refers to this tag",
)


class TagRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)

    def completed(self, connection: Connection, actor: Actor, before: Row | None, row: Row) -> Row:
        """A new tag is by somebody, as far as is known."""
        References(connection, actor.tenant_id).require_changed(before or {}, row, {"created_by": "user"})
        return row | {"created_by": actor.user_id} if before is None and row["created_by"] is None else row

    def link(self, actor: Actor, tag_id: UUID, entity_type: str, entity_id: UUID) -> None:
        """Put a tag on an entity, with audit entry and event; nothing where it is on it. Raises NotFoundError."""
        at = datetime.now(UTC)
        with self.changing(actor) as connection:
            tag = self.lock(connection, actor, tag_id)
            wanted = _link(actor, tag_id, entity_type, entity_id)
            if not keep_entity(connection, actor.tenant_id, entity_type, entity_id):
                raise NotFoundError(f"no {entity_type.replace('_', ' ')} {entity_id}")
            if self.execute(connection, "insert_link", {**wanted, "now": at}).rowcount == 0:
                return
            write_audit_entry(connection, actor, "tag.linked", tag_id, after=_shown(wanted))
            data = {"entity_type": entity_type, "entity_id": entity_id, "tag": self.told_document(tag)}
            write_told(connection, actor, entity_type, entity_id, [("entity.tagged", data, {})], at)

    def unlink(self, actor: Actor, tag_id: UUID, entity_type: str, entity_id: UUID) -> None:
        """Take a tag off an entity, with its audit entry. Raises NotFoundError, also where it is not on it."""
        with self.changing(actor) as connection:
            self.lock(connection, actor, tag_id)
            wanted = _link(actor, tag_id, entity_type, entity_id)
            if self.execute(connection, "delete_link", wanted).rowcount == 0:
                raise NotFoundError(f"tag {tag_id} is on no {entity_type.replace('_', ' ')} {entity_id}")
            write_audit_entry(connection, actor, "tag.unlinked", tag_id, before=_shown(wanted))


def _link(actor: Actor, tag_id: UUID, entity_type: str, entity_id: UUID) -> dict[str, Any]:
    return {"tenant_id": actor.tenant_id, "id": tag_id, "entity_type": entity_type, "entity_id": entity_id}


def _shown(link: Row) -> Row:
    return {"entity_type": link["entity_type"], "entity_id": str(link["entity_id"])}
