"""External ids of a tenant's entities."""

from infra.postgres import Pool
from management.entities.external_entity_mappings.repository import ExternalEntityMappingRepository
from management.entities.external_entity_mappings.schemas import ExternalEntityMapping
from management.entities.service import EntityService


class ExternalEntityMappingService(EntityService[ExternalEntityMapping]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(ExternalEntityMappingRepository(pool), ExternalEntityMapping)
