"""Tags of a tenant, and where they are."""

from uuid import UUID

from infra.postgres import Pool
from management.access import Actor
from management.entities.service import EntityService
from management.entities.tags.repository import TagRepository
from management.entities.tags.schemas import Tag


class TagService(EntityService[Tag]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        self._tags = TagRepository(pool)
        super().__init__(self._tags, Tag)

    def link(self, actor: Actor, tag_id: UUID, entity_type: str, entity_id: UUID) -> None:
        """Put a tag on an entity; nothing happens where it is on it. Raises NotFoundError."""
        self._tags.link(actor, tag_id, entity_type, entity_id)

    def unlink(self, actor: Actor, tag_id: UUID, entity_type: str, entity_id: UUID) -> None:
        """Take a tag off an entity. Raises NotFoundError, also where it is not on it."""
        self._tags.unlink(actor, tag_id, entity_type, entity_id)
