"""Time periods of a tenant."""

from infra.postgres import Pool
from management.entities.service import EntityService
from management.entities.time_periods.repository import TimePeriodRepository
from management.entities.time_periods.schemas import TimePeriod


class TimePeriodService(EntityService[TimePeriod]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(TimePeriodRepository(pool), TimePeriod)
