"""What is kept of replays goes when the log lets go: changes with their bodies, all the rest with the rows."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from infra.clickhouse import ClickHouse
from infra.log import get_logger
from infra.postgres import Connection, Pool, Row, tenant_transaction
from infra.queries import load_queries
from infra.settings import PostgresSettings
from management.leading import LedWork
from management.paging import microseconds

_QUERIES = load_queries(Path(__file__).parent / "forgetting.sql")
_PAGE_ROWS = 1_000
_FIRST = UUID(int=0)
_log = get_logger(__name__)


class ReplayForgetting(LedWork):
    """The part `replay_forgetting`. `pool` writes; the leading session only reads whose turn it is."""

    name = "replay_forgetting"
    lock_key = 0x686C20666F7267  # "hl forg"
    look_seconds = 3_600.0

    def __init__(self, postgres: PostgresSettings, pool: Pool, clickhouse: ClickHouse) -> None:
        super().__init__(postgres)
        self._pool = pool
        self._clickhouse = clickhouse

    def step(self, connection: Connection) -> Sequence[str]:
        """Every tenant that has anything to let go of. Raises as the stores do."""
        for row in connection.execute(_QUERIES["list_tenants"].encode()).fetchall():
            forgotten = forget_changes(self._pool, self._clickhouse, row["tenant_id"])
            deleted = forget_replays(self._pool, row["tenant_id"])
            if forgotten or deleted:
                _log.info("replays.forgotten", tenant_id=str(row["tenant_id"]), changes=forgotten, rows=deleted)
        return ()


def forget_changes(pool: Pool, clickhouse: ClickHouse, tenant_id: UUID) -> int:
    """Forget the changes of bodies that are erased or expired; how many. Raises as the stores do."""
    forgotten, after = 0, _FIRST
    while True:
        page = {"tenant_id": tenant_id, "after": after, "limit": _PAGE_ROWS}
        with tenant_transaction(pool, tenant_id) as connection:
            rows = connection.execute(_QUERIES["page_changes"].encode(), page).fetchall()
        gone = _without_bodies(clickhouse, tenant_id, rows) if rows else []
        if gone:
            with tenant_transaction(pool, tenant_id) as connection:
                parameters = {"tenant_id": tenant_id, "delivery_ids": gone}
                forgotten += connection.execute(_QUERIES["forget_changes"].encode(), parameters).rowcount
        if len(rows) < _PAGE_ROWS:
            return forgotten
        after = rows[-1]["delivery_id"]


def forget_replays(pool: Pool, tenant_id: UUID) -> int:
    """Delete what is about rows that the log has no longer; how much. Raises PostgresUnavailableError."""
    parameters = {"tenant_id": tenant_id}
    with tenant_transaction(pool, tenant_id) as connection:
        kept = connection.execute(_QUERIES["kept_days"].encode(), parameters).fetchone()
        if kept is None:
            return 0
        bound = {"tenant_id": tenant_id, "days": kept["days"]}
        return sum(
            connection.execute(_QUERIES[name].encode(), bound).rowcount for name in ("delete_replays", "delete_counts")
        )


def _without_bodies(clickhouse: ClickHouse, tenant_id: UUID, rows: list[Row]) -> list[UUID]:
    times: list[datetime] = [row["replayed_at"] for row in rows]
    parameters = {
        "tenant_id": str(tenant_id),
        "webhook_ids": sorted({str(row["webhook_id"]) for row in rows}),
        "since_us": microseconds(min(times)),
        "until_us": microseconds(max(times)),
        "delivery_ids": [str(row["delivery_id"]) for row in rows],
    }
    return [row["delivery_id"] for row in clickhouse.query(_QUERIES["find_without_bodies"], parameters)]
