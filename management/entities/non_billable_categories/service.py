"""Non billable categories of a tenant."""

from infra.postgres import Pool
from management.entities.non_billable_categories.repository import NonBillableCategoryRepository
from management.entities.non_billable_categories.schemas import NonBillableCategory
from management.entities.service import EntityService


class NonBillableCategoryService(EntityService[NonBillableCategory]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(NonBillableCategoryRepository(pool), NonBillableCategory)
