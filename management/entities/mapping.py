"""External ids that new entities bring, and those of entities that are about to go."""

from pathlib import Path
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
) -> None:
    """Map an external id to an entity that is there.

    Raises ValidationFailedError when the webhook is not there, ConflictError when the id is mapped.
    """
    wanted = {
        "tenant_id": tenant_id,
        "mapping_id": UUID(uuid7_text(now_us())),
        "webhook_id": webhook_id,
        "entity_type": entity_type,
        "external_id": external_id,
        "entity_id": entity_id,
    }
    if connection.execute(_QUERIES["find_webhook"].encode(), wanted).fetchone() is None:
        raise ValidationFailedError([Problem("webhook_id", f"there is no webhook {webhook_id}")])
    if connection.execute(_QUERIES["insert_mapping"].encode(), wanted).rowcount == 0:
        words = entity_type.replace("_", " ")
        problem = Problem("external_id", f"{external_id!r} is mapped to another {words} already")
        raise ConflictError(problem.message, details=[problem])


def lock_mappings(connection: Connection, tenant_id: UUID, entity_type: str, entity_id: UUID) -> None:
    """Lock the mappings of an entity before it is locked itself, as actions do: nobody waits for each other."""
    wanted = {"tenant_id": tenant_id, "entity_type": entity_type, "entity_id": entity_id}
    connection.execute(_QUERIES["lock_mappings"].encode(), wanted)
