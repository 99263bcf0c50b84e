"""Time sheets in Postgres; every statement is for one tenant."""

from pathlib import Path

from infra.postgres import Pool
from management.entities.repository import EntityRepository, EntityTable
from management.errors import Problem

_TABLE = EntityTable(
    resource="time_sheet",
    folder=Path(__file__).parent,
    columns=("user_id", "period_id", "status"),
    taken={"time_sheets_user_period_key": Problem("period_id", "the user has a sheet of this period already")},
    unknown={
        "time_sheets_user_fkey": Problem("user_id", "there is no such user"),
        "time_sheets_period_fkey": Problem("period_id", "there is no such time period"),
    },
    in_use="time entries are on this sheet",
)


class TimeSheetRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)
