"""What an action would do to the entity of an external id, as far as the mappings say. Pure but for the one look-up."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from infra.actions.registry import REQUIRED_ACTIONS
from infra.entities.references import ENTITY_QUERIES
from infra.postgres import Pool, tenant_transaction
from management.comparing.differences import Entity, Failure
from schemas.actions import (
    EXTERNAL_IDS_OF,
    ON_DUPLICATE,
    ON_EXISTING,
    PATH_PREFIX,
    ActionDefinition,
)
from schemas.records import ErrorCode
from schemas.webhooks import ActionHandler

_FIELD = "external_id"
_PATH = f"{PATH_PREFIX}{_FIELD}"
#: Its values may name an asset otherwise than by the external id.
_SNAPSHOT = "rmm_snapshot"
_OF_ANY_ENTITY = "tag"


class ExternalId(NamedTuple):
    """An external id of a namespace, which is a webhook's."""

    namespace_id: UUID
    entity_type: str
    text: str


Mapped = Mapping[ExternalId, Mapping[str, UUID]]


def external_id_of(handler: ActionHandler, webhook_id: UUID, entity_type: str, fields: Mapping[str, Any]) -> ExternalId:
    """The external id that an action with these fields would look for; its text is empty where there is none."""
    namespace = handler.options.get(EXTERNAL_IDS_OF.name)
    kind = str(fields.get("entity_type", entity_type)) if entity_type == _OF_ANY_ENTITY else entity_type
    return ExternalId(UUID(namespace) if namespace else webhook_id, kind, str(fields.get(_FIELD) or ""))


def find_mapped(pool: Pool, tenant_id: UUID, wanted: Iterable[ExternalId]) -> Mapped:
    """What external ids are mapped to, by realm; one statement for all. Raises PostgresUnavailableError."""
    rows = [
        {"webhook_id": one.namespace_id, "entity_type": one.entity_type, "external_id": one.text}
        for one in set(wanted)
        if one.text and "\0" not in one.text
    ]
    found: dict[ExternalId, dict[str, UUID]] = defaultdict(dict)
    if rows:
        parameters = {"tenant_id": tenant_id, "wanted": orjson.dumps(rows).decode()}
        with tenant_transaction(pool, tenant_id) as connection:
            for row in connection.execute(ENTITY_QUERIES["mapping"].encode(), parameters):
                key = ExternalId(row["webhook_id"], row["entity_type"], row["external_id"])
                found[key][row["realm_id"]] = row["entity_id"]
    return found


def effect_of(
    definition: ActionDefinition,
    handler: ActionHandler,
    fields: Mapping[str, Any],
    external_id: ExternalId,
    by_realm: Mapping[str, UUID | None],
) -> Entity | Failure:
    """What the action would do, or how it would fail. An entity without an id is one that is only made before."""
    options = {option.name for option in definition.options}
    creates = ON_EXISTING.name in options
    if not external_id.text:
        return Entity(external_id.entity_type, None, "create" if creates else "unknown")
    if not by_realm:
        return _of_unmapped(definition, external_id, fields, makes=creates or ON_DUPLICATE.name in options)
    if "" not in by_realm and len(by_realm) > 1:
        return Entity(external_id.entity_type, None, "unknown")
    entity_id = by_realm.get("", next(iter(by_realm.values())))
    named = None if entity_id is None else str(entity_id)
    if not creates:
        return Entity(external_id.entity_type, named, "update")
    on_existing = handler.options.get(ON_EXISTING.name, ON_EXISTING.default)
    if on_existing == "fail":
        message = f"{_FIELD} {external_id.text!r} is mapped to {external_id.entity_type} {named or 'of this replay'}"
        return Failure(ErrorCode.CONFLICT, message, _PATH)
    return Entity(external_id.entity_type, named, "update" if on_existing == "update" else "unchanged")


def _of_unmapped(
    definition: ActionDefinition, external_id: ExternalId, fields: Mapping[str, Any], *, makes: bool
) -> Entity | Failure:
    if makes and fields.get(_SNAPSHOT) is None:
        return Entity(external_id.entity_type, None, "create")
    if makes or definition.name not in REQUIRED_ACTIONS:
        return Entity(external_id.entity_type, None, "unknown")
    message = f"{_FIELD}: no {external_id.entity_type} is mapped to external id {external_id.text!r}"
    return Failure(ErrorCode.LOOKUP_MISS, message, _PATH)
