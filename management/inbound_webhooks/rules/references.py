"""What a constant of a mapping refers to must be there when it is saved: `"'Critical'"`, `"'Acme Ltd'"`."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from infra.entities.references import ENTITY_QUERIES, is_id
from infra.postgres import Connection
from management.inbound_webhooks.rules.handler import MAPPING_PATH
from management.inbound_webhooks.rules.problems import Problems, joined
from schemas.actions import ActionDefinition, RefEntityType, TargetField

#: Named within their board, client, category or project: which one is meant is known when the request is.
_NAMED_WITHIN = frozenset(
    {
        RefEntityType.TICKET_STATUS,
        RefEntityType.TICKET_CATEGORY,
        RefEntityType.TICKET_SUBCATEGORY,
        RefEntityType.CLIENT_LOCATION,
        RefEntityType.PROJECT_PHASE,
        RefEntityType.PROJECT_STATUS,
    }
)


def check_references(
    connection: Connection,
    tenant_id: UUID,
    definition: ActionDefinition,
    constants: Mapping[str, Any],
    problems: Problems,
) -> None:
    """Note every constant that names nothing active of the tenant, or not one thing alone."""
    for field in definition.target_fields:
        if field.ref_entity_type in ENTITY_QUERIES and isinstance(constants.get(field.name), str):
            message = _problem(connection, tenant_id, field, constants[field.name])
            if message is not None:
                problems.add(joined(MAPPING_PATH, field.name), message)


def _problem(connection: Connection, tenant_id: UUID, field: TargetField, text: str) -> str | None:
    parameters = {"tenant_id": tenant_id, "ids": [], "names": []} | {"ids" if is_id(text) else "names": [text]}
    assert field.ref_entity_type is not None  # noqa: S101 - asked before
    found = connection.execute(ENTITY_QUERIES[field.ref_entity_type].encode(), parameters).fetchall()
    what = field.ref_entity_type.replace("_", " ")
    if not found:
        return f"{field.name}: no active {what} {text!r}"
    if len(found) > 1 and field.ref_entity_type not in _NAMED_WITHIN:
        return f"{field.name}: several are called {text!r}; give the id of one {what}"
    return None
