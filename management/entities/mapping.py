"""External ids of entities, as new entities bring them and as the mappings' own resource writes them."""

from pathlib import Path
from typing import Any
from uuid import UUID

from infra.clock import now_us
from infra.ids import uuid7_text
from infra.postgres import Connection
from infra.queries import load_queries
from management.errors import ConflictError, Problem, ValidationFailedError

_QUERIES = load_queries(Path(__file__).parent / "mapping.sql")


def write_mapping(
    connection: Connection,
    tenant_id: UUID,
    webhook_id: UUID,
    entity_type: str,
    *,
    external_id: str,
    entity_id: UUID,
    realm_id: str = "",
    metadata: Any = None,
) -> UUID:
    """Map an external id to an entity that is there; returns the mapping's id.

    Raises ValidationFailedError when the webhook is not there, ConflictError when the id or the entity has a mapping.
    """
    wanted = {
        "tenant_id": tenant_id,
        "mapping_id": UUID(uuid7_text(now_us())),
        "webhook_id": webhook_id,
        "entity_type": entity_type,
        "external_id": external_id,
        "realm_id": realm_id,
        "entity_id": entity_id,
    }
    if connection.execute(_QUERIES["find_webhook"].encode(), wanted).fetchone() is None:
        raise ValidationFailedError([Problem("webhook_id", f"there is no webhook {webhook_id}")])
    clashes = connection.execute(_QUERIES["find_clashes"].encode(), wanted).fetchall()
    if not clashes and connection.execute(_QUERIES["insert_mapping"].encode(), wanted).rowcount == 1:
        return UUID(str(wanted["mapping_id"]))
    is_id_taken = not clashes or (clashes[0]["external_id"] == external_id and clashes[0]["realm_id"] == realm_id)
    if is_id_taken:
        problem = Problem(
            "external_id", f"{external_id!r} is mapped to another {entity_type.replace('_', ' ')} already"
        )
    else:
        other = clashes[0]["external_id"]
        problem = Problem("entity_id", f"it is mapped to external id {other!r} of this webhook already")
    raise ConflictError(problem.message, details=[problem])
