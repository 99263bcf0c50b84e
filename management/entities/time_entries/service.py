"""Time entries of a tenant."""

from infra.postgres import Pool
from management.entities.service import EntityService
from management.entities.time_entries.repository import TimeEntryRepository
from management.entities.time_entries.schemas import TimeEntry


class TimeEntryService(EntityService[TimeEntry]):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(TimeEntryRepository(pool), TimeEntry)
