"""Which entity a field of a ticket means: pure, over references that were read before."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from schemas.actions import ActionContext, ActionError, RefEntityType
from schemas.records import ErrorCode
from sinks.actions.tickets.fields import EXTERNAL_REF_TYPES, REF_TYPES
from sinks.actions.tickets.references import Entity, References

Fits = Callable[[Entity], bool]


class Choice:
    """The references of one command. Every refusal is an ActionError that names the field."""

    def __init__(self, context: ActionContext, values: Mapping[str, Any], references: References) -> None:
        self._context = context
        self._values = values
        self.references = references

    def of(self, field: str, *, fits: Fits | None = None, owner: str = "") -> Entity | None:
        """The entity of a ref field; None when it is absent or cleared. `owner` says in words what it must fit."""
        text = self._values.get(field)
        if text is None:
            return None
        found = self.references.entity(field, text)
        fitting = found if fits is None else [entity for entity in found if fits(entity)]
        if len(fitting) == 1:
            return fitting[0]
        kind = REF_TYPES[field].replace("_", " ")
        if not found:
            raise _invalid(field, f"{field} {text!r}: there is no active {kind} of that id or name")
        if not fitting:
            raise _invalid(field, f"{field} {text!r}: that {kind} does not belong to {owner}")
        raise _invalid(field, f"{field} {text!r} means several {kind} rows; give its id")

    def of_parent(self, field: str, parent_id: UUID, owner: str) -> Entity | None:
        """As `of`, for an entity that must belong to `parent_id`."""
        return self.of(field, fits=lambda entity: entity.parent_id == parent_id, owner=owner)

    def client(self) -> Entity | None:
        """The client, by id, name or external id; both must name the same one."""
        return self._by_either("client_id", self.of("client_id"), "client_external_id")

    def asset(self, client_id: UUID) -> Entity | None:
        """The asset to link, which must be the client's."""
        owner = f"client {client_id}"
        asset = self._by_either("asset_id", self.of_parent("asset_id", client_id, owner), "asset_external_id")
        if asset is not None and asset.parent_id != client_id:
            raise _invalid("asset_external_id", f"asset_external_id: that asset does not belong to {owner}")
        return asset

    def category(self, board_id: UUID) -> Entity | None:
        """A category of the board, or one of all boards."""
        return self.of("category_id", fits=lambda c: c.parent_id in (None, board_id), owner=f"board {board_id}")

    def subcategory(self, category_id: UUID | None) -> Entity | None:
        """A subcategory of the category, which must be there."""
        if self._values.get("subcategory_id") is not None and category_id is None:
            raise _invalid("subcategory_id", "subcategory_id needs a category")
        return self.of("subcategory_id", fits=lambda s: s.parent_id == category_id, owner=f"category {category_id}")

    def _by_either(self, id_field: str, by_id: Entity | None, external_field: str) -> Entity | None:
        external_id = self._values.get(external_field)
        if external_id is None:
            return by_id
        entity_type: RefEntityType = EXTERNAL_REF_TYPES[external_field]
        entity_id = self.references.mapped(self._context, entity_type, external_id, external_field)
        if entity_id is None:
            message = f"{external_field}: no {entity_type} is mapped to external id {external_id!r}"
            raise ActionError(ErrorCode.LOOKUP_MISS, message, external_field)
        entity = self.references.entity_of_id(entity_type, entity_id)
        if entity is None:
            raise _invalid(external_field, f"{external_field} {external_id!r}: {entity_type} {entity_id} is not active")
        if by_id is not None and by_id.id != entity.id:
            raise _invalid(external_field, f"{id_field} and {external_field} name different entities")
        return entity


def _invalid(field: str, message: str) -> ActionError:
    return ActionError(ErrorCode.VALIDATION_ERROR, message, field)
