"""Time sheets of a tenant."""

from infra.postgres import Pool
from management.entities.service import EntityService
from management.entities.time_sheets.repository import TimeSheetRepository
from management.entities.time_sheets.schemas import TimeSheet


class TimeSheetService(EntityService[TimeSheet]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(TimeSheetRepository(pool), TimeSheet)
