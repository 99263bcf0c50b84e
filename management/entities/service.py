"""Entities of one kind: rows in, models out. Kinds with more to say extend this."""

from collections.abc import Mapping
from typing import Generic, TypeVar
from uuid import UUID

from infra.postgres import Row
from management.access import Actor
from management.entities.repository import EntityRepository
from management.entities.schemas import EntityFilter, EntityInput, Identified
from management.paging import Page, PageMeta
from management.patching import PatchInput

Shown = TypeVar("Shown", bound=Identified)


class EntityService(Generic[Shown]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, repository: EntityRepository, model: type[Shown]) -> None:
        self.repository = repository
        self._model = model

    def page(self, tenant_id: UUID, wanted: EntityFilter) -> Page[Shown]:
        """A page, newest first."""
        rows, total = self.repository.page(tenant_id, wanted)
        meta = PageMeta(page=wanted.page, per_page=wanted.per_page, total=total)
        return Page(data=[self.shown(row) for row in rows], meta=meta)

    def get(self, tenant_id: UUID, entity_id: UUID) -> Shown:
        """One entity. Raises NotFoundError, also for another tenant's."""
        return self.shown(self.repository.get(tenant_id, entity_id))

    def create(self, actor: Actor, wanted: EntityInput) -> Shown:
        """A new entity. Raises ValidationFailedError, ConflictError."""
        return self.shown(self.repository.create(actor, wanted.values()))

    def update(self, actor: Actor, entity_id: UUID, wanted: PatchInput) -> Shown:
        """Change what `wanted` names. Raises NotFoundError and as `create` does."""
        return self.shown(self.repository.update(actor, entity_id, wanted.changes()))

    def delete(self, actor: Actor, entity_id: UUID) -> None:
        """Delete an entity that nothing refers to. Raises NotFoundError, ConflictError."""
        self.repository.delete(actor, entity_id)

    def shown(self, row: Row | Mapping[str, object]) -> Shown:
        """The row as the API shows it."""
        return self._model.model_validate({name: row[name] for name in self._model.model_fields})
