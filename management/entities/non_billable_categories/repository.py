"""Non-billable categories in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.postgres import Pool
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem

_TABLE = EntityTable(
    resource="non_billable_category",
    folder=Path(__file__).parent,
    columns=("name", "is_active"),
    taken={"non_billable_categories_name_key": Problem("name", "there is a category of this name already")},
    unknown={},
    in_use="time entries are of this category: deactivate it instead",
)


class NonBillableCategoryRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)
