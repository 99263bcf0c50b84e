"""Time periods in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.postgres import Pool
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem

_TABLE = EntityTable(
    resource="time_period",
    folder=Path(__file__).parent,
    columns=("start_date", "end_date"),
    taken={"time_periods_apart": Problem("start_date", "a day of it belongs to another period already")},
    unknown={"time_periods_in_order": Problem("end_date", "it must not be before start_date")},
    in_use="time sheets are of this period",
)


class TimePeriodRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)
