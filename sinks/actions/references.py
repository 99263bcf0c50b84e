"""What the commands of one tenant refer to, read with one query per entity type, and resolved without I/O.

A reference that another tenant owns, that is inactive or does not exist is the same: not there.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from infra.entities.references import ENTITY_QUERIES, is_id, reference_key
from schemas.actions import ActionContext, ActionError, Command, RefEntityType
from schemas.records import ErrorCode

QUERIES = ENTITY_QUERIES
MappingKey = tuple[UUID, str, str]


class FieldTypes(NamedTuple):
    """Which fields of an action name an entity: by id or name (`refs`), or by the sender's id (`external_ids`)."""

    refs: Mapping[str, RefEntityType]
    external_ids: Mapping[str, str]


class Entity(NamedTuple):
    """A referred entity. `parent_id`: the board, client or category it belongs to, if it belongs to one."""

    id: UUID
    parent_id: UUID | None = None
    is_closed: bool = False
    default_priority_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class References:
    """Everything the commands name that exists, by the text they name it with (ids in lower case)."""

    types: FieldTypes
    entities: Mapping[RefEntityType, Mapping[str, list[Entity]]]
    mappings: Mapping[MappingKey, Mapping[str, UUID]]

    def mapped(self, context: ActionContext, entity_type: str, external_id: str, field: str) -> UUID | None:
        """The entity of an external id, read without a realm. None when it is not mapped."""
        by_realm = self.mappings.get((context.namespace_id, entity_type, external_id), {})
        return entity_without_realm(by_realm, external_id, field)

    def entity(self, field: str, text: str) -> list[Entity]:
        """What `text` may mean in `field`."""
        return self.entities.get(self.types.refs[field], {}).get(reference_key(text), [])

    def of_type(self, entity_type: RefEntityType) -> list[Entity]:
        """All of a type that the commands may mean; one that is named in two ways is there twice."""
        return [entity for found in self.entities.get(entity_type, {}).values() for entity in found]

    def entity_of_id(self, entity_type: RefEntityType, entity_id: UUID) -> Entity | None:
        """The entity of an id that a mapping gave."""
        found = self.entities.get(entity_type, {}).get(str(entity_id), [])
        return found[0] if found else None


def entity_without_realm(by_realm: Mapping[str, UUID], external_id: str, field: str) -> UUID | None:
    """The one of realm '', else the only one; None when there is none. Several: ActionError VALIDATION_ERROR."""
    if "" in by_realm or len(by_realm) < 2:
        return by_realm.get("", next(iter(by_realm.values()), None))
    message = f"{field} {external_id!r} is mapped in several realms"
    raise ActionError(ErrorCode.VALIDATION_ERROR, message, field)


def load_references(commands: Sequence[Command], types: FieldTypes) -> References:
    """Read what `commands` (of one tenant) refer to in the fields of `types`."""
    context = commands[0][0]
    mappings = _load_mappings(commands, types)
    wanted = _wanted(commands, types, mappings)
    entities = {entity_type: _load_entities(context, entity_type, texts) for entity_type, texts in wanted.items()}
    return References(types, entities, mappings)


def _load_mappings(commands: Sequence[Command], types: FieldTypes) -> dict[MappingKey, dict[str, UUID]]:
    wanted = {
        (str(context.namespace_id), str(entity_type), values[field])
        for context, values in commands
        for field, entity_type in types.external_ids.items()
        if values.get(field) is not None
    }
    mappings: dict[MappingKey, dict[str, UUID]] = defaultdict(dict)
    if wanted:
        context = commands[0][0]
        rows = [{"webhook_id": w, "entity_type": kind, "external_id": external_id} for w, kind, external_id in wanted]
        parameters = {"tenant_id": context.tenant_id, "wanted": orjson.dumps(rows).decode()}
        for row in context.tx.rows(QUERIES["mapping"], parameters):
            key = (row["webhook_id"], row["entity_type"], row["external_id"])
            mappings[key][row["realm_id"]] = row["entity_id"]
    return mappings


def _wanted(
    commands: Sequence[Command], types: FieldTypes, mappings: Mapping[MappingKey, Mapping[str, UUID]]
) -> dict[RefEntityType, set[str]]:
    wanted: dict[RefEntityType, set[str]] = defaultdict(set)
    for _, values in commands:
        for field, entity_type in types.refs.items():
            text = values.get(field)
            if text is not None:
                wanted[entity_type].add(reference_key(text))
    referable = frozenset(RefEntityType)
    for (_, kind, _), by_realm in mappings.items():
        if kind in referable:
            wanted[RefEntityType(kind)].update(str(entity_id) for entity_id in by_realm.values())
    return wanted


def _load_entities(context: ActionContext, entity_type: RefEntityType, texts: set[str]) -> dict[str, list[Entity]]:
    ids = [text for text in texts if is_id(text)]
    names = [text for text in texts if not is_id(text)]
    parameters: dict[str, Any] = {"tenant_id": context.tenant_id, "ids": ids, "names": names}
    found: dict[str, list[Entity]] = defaultdict(list)
    for row in context.tx.rows(QUERIES[entity_type], parameters):
        entity = Entity(row["id"], row.get("parent_id"), row.get("is_closed", False), row.get("default_priority_id"))
        found[row["wanted"]].append(entity)
    return found
