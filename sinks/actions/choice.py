"""Which entity a field means: pure, over references that were read before."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from schemas.actions import ActionContext, ActionError, RefEntityType
from schemas.records import ErrorCode
from sinks.actions.references import Entity, References

Fits = Callable[[Entity], bool]


class Choice:
    """The references of one command. Every refusal is an ActionError that names the field."""

    def __init__(self, context: ActionContext, values: Mapping[str, Any], references: References) -> None:
        self._context = context
        self._values = values
        self._references = references

    def of(self, field: str, *, fits: Fits | None = None, owner: str = "") -> Entity | None:
        """The entity of a ref field; None when it is absent or cleared. `owner` says in words what it must fit."""
        text = self._values.get(field)
        if text is None:
            return None
        found = self._references.entity(field, text)
        fitting = found if fits is None else [entity for entity in found if fits(entity)]
        if len(fitting) == 1:
            return fitting[0]
        kind = self._references.types.refs[field].replace("_", " ")
        if not found:
            raise invalid(field, f"{field} {text!r}: there is no active {kind} of that id or name")
        if not fitting:
            raise invalid(field, f"{field} {text!r}: that {kind} does not belong to {owner}")
        raise invalid(field, f"{field} {text!r} means several {kind} rows; give its id")

    def require(self, field: str) -> Entity:
        """As `of`, for a field that the action requires."""
        entity = self.of(field)
        if entity is None:
            raise invalid(field, f"{field} is required")
        return entity

    def of_parent(self, field: str, parent_id: UUID, owner: str) -> Entity | None:
        """As `of`, for an entity that must belong to `parent_id`."""
        return self.of(field, fits=lambda entity: entity.parent_id == parent_id, owner=owner)

    def client(self) -> Entity | None:
        """The client, by id, name or external id; both must name the same one."""
        return self.by_either("client_id", self.of("client_id"), "client_external_id")

    def by_either(self, id_field: str, by_id: Entity | None, external_field: str) -> Entity | None:
        """The entity of `id_field` (already chosen) or of `external_field`; both must name the same one."""
        external_id = self._values.get(external_field)
        if external_id is None:
            return by_id
        entity_type = RefEntityType(self._references.types.external_ids[external_field])
        entity_id = self._references.mapped(self._context, entity_type, external_id, external_field)
        if entity_id is None:
            message = f"{external_field}: no {entity_type} is mapped to external id {external_id!r}"
            raise ActionError(ErrorCode.LOOKUP_MISS, message, external_field)
        entity = self._references.entity_of_id(entity_type, entity_id)
        if entity is None:
            raise invalid(external_field, f"{external_field} {external_id!r}: {entity_type} {entity_id} is not active")
        if by_id is not None and by_id.id != entity.id:
            raise invalid(external_field, f"{id_field} and {external_field} name different entities")
        return entity


def invalid(field: str, message: str) -> ActionError:
    """The refusal of a field's value."""
    return ActionError(ErrorCode.VALIDATION_ERROR, message, field)
