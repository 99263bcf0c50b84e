"""External entity mappings in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.entities.documents import Row
from infra.postgres import Connection, Pool
from management.access import Actor
from management.entities.keeping import keep_entity
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem, ValidationFailedError

_TABLE = EntityTable(
    resource="external_entity_mapping",
    folder=Path(__file__).parent,
    columns=(
        *("webhook_id", "entity_type", "external_id", "realm_id", "entity_id", "sync_status", "metadata"),
        "delivery_id",
    ),
    taken={
        "external_entity_mappings_external_key": Problem(
            "external_id", "it is mapped to another entity already, for this webhook, entity type and realm"
        ),
        "external_entity_mappings_entity_key": Problem(
            "entity_id", "it has an external id of this webhook already: change that mapping instead"
        ),
    },
    unknown={
        "external_entity_mappings_tenant_id_webhook_id_fkey": Problem("webhook_id", "there is no such webhook"),
    },
    in_use="something refers to this mapping",
    json_columns=("metadata",),
)


class ExternalEntityMappingRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)

    def completed(self, connection: Connection, actor: Actor, before: Row | None, row: Row) -> Row:
        """The entity of a new mapping is there, and stays until the mapping is."""
        entity_type, entity_id = row["entity_type"], row["entity_id"]
        if before is None and not keep_entity(connection, actor.tenant_id, entity_type, entity_id):
            words = entity_type.replace("_", " ")
            raise ValidationFailedError([Problem("entity_id", f"there is no {words} {entity_id}")])
        return row
