"""Entities that something leads to by their type and id, where no foreign key can."""

from pathlib import Path
from uuid import UUID

from infra.postgres import Connection
from infra.queries import load_queries

_QUERIES = load_queries(Path(__file__).parent / "keeping.sql")


def keep_entity(connection: Connection, tenant_id: UUID, entity_type: str, entity_id: UUID) -> bool:
    """Whether the entity is there; if so, it is not deleted before the transaction ends."""
    parameters = {"tenant_id": tenant_id, "entity_id": entity_id}
    return connection.execute(_QUERIES[entity_type].encode(), parameters).fetchone() is not None
