"""What a constant of a mapping refers to must be there when it is saved: `"'Critical'"`, `"'Acme Ltd'"`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from infra.postgres import Connection
from infra.queries import load_queries
from management.inbound_webhooks.rules.handler import MAPPING_PATH
from management.inbound_webhooks.rules.problems import Problems, joined
from schemas.actions import ActionDefinition, RefEntityType, TargetField

_QUERIES = load_queries(Path(__file__).parent / "references.sql")
_UUID_TEXT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
#: Named within their board, client or category: which one is meant is known when the request is.
_NAMED_WITHIN = frozenset(
    {
        RefEntityType.TICKET_STATUS,
        RefEntityType.TICKET_CATEGORY,
        RefEntityType.TICKET_SUBCATEGORY,
        RefEntityType.CLIENT_LOCATION,
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
        if field.ref_entity_type in _QUERIES and isinstance(constants.get(field.name), str):
            message = _problem(connection, tenant_id, field, constants[field.name])
            if message is not None:
                problems.add(joined(MAPPING_PATH, field.name), message)


def _problem(connection: Connection, tenant_id: UUID, field: TargetField, text: str) -> str | None:
    is_id = _UUID_TEXT.fullmatch(text) is not None
    parameters = {"tenant_id": tenant_id, "id": text if is_id else None, "name": None if is_id else text}
    assert field.ref_entity_type is not None  # noqa: S101 - asked before
    found = connection.execute(_QUERIES[field.ref_entity_type].encode(), parameters).fetchall()
    what = field.ref_entity_type.replace("_", " ")
    if not found:
        return f"{field.name}: no active {what} {text!r}"
    if len(found) > 1 and field.ref_entity_type not in _NAMED_WITHIN:
        return f"{field.name}: several are called {text!r}; give the id of one {what}"
    return None
