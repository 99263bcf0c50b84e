"""Entities that others name by id: whoever is named anew must be there and active."""

from collections.abc import Collection, Mapping
from typing import NoReturn
from uuid import UUID

from infra.entities.documents import Row
from infra.entities.references import ENTITY_QUERIES
from infra.postgres import Connection
from management.errors import Problem, ValidationFailedError


class References:
    """Of one tenant, in one transaction. Kinds are those of `ENTITY_QUERIES`, and rows have what it gives."""

    def __init__(self, connection: Connection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def find(self, kind: str, entity_id: UUID) -> Row | None:
        """The active entity of this id."""
        return next(iter(self.find_all(kind, [entity_id])), None)

    def find_all(self, kind: str, entity_ids: Collection[UUID]) -> list[Row]:
        """Those of the entities that are there and active."""
        parameters = {"tenant_id": self._tenant_id, "ids": list(entity_ids), "names": []}
        return self._connection.execute(ENTITY_QUERIES[kind].encode(), parameters).fetchall()

    def require(self, kind: str, entity_id: UUID, member: str) -> Row:
        """The active entity of this id. Raises ValidationFailedError naming `member`."""
        row = self.find(kind, entity_id)
        if row is None:
            refuse(member, f"there is no active {kind.replace('_', ' ')} {entity_id}")
        return row

    def require_of(self, kind: str, entity_id: UUID, member: str, parents: Collection[UUID | None], owner: str) -> Row:
        """As `require`, and it belongs to one of `parents`, which `owner` names in words."""
        row = self.require(kind, entity_id, member)
        if row["parent_id"] not in parents:
            refuse(member, f"{kind.replace('_', ' ')} {entity_id} does not belong to {owner}")
        return row

    def require_changed(self, old: Row, row: Row, kinds: Mapping[str, str]) -> None:
        """Require what members of `row` name, by their kinds, where `old` names something else."""
        for member, kind in kinds.items():
            if row[member] is not None and row[member] != old.get(member):
                self.require(kind, row[member], member)


def refuse(member: str, message: str) -> NoReturn:
    """Raises ValidationFailedError."""
    raise ValidationFailedError([Problem(member, message)])
