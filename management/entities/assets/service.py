"""Assets of a tenant's clients."""

from infra.postgres import Pool
from management.entities.assets.repository import AssetRepository
from management.entities.assets.schemas import Asset
from management.entities.service import EntityService


class AssetService(EntityService[Asset]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(AssetRepository(pool), Asset)
