"""The retention settings as ClickHouse has them: read by whoever writes rows, applied to the rows that are there.

Management copies them from Postgres. Every row carries when it expires, so the engine drops bodies and rows by itself
and a change of a setting is an UPDATE of two narrow columns. docs/adr/0018 says why.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from infra.clickhouse import ClickHouse
from infra.errors import ClickHouseRefusedError, ClickHouseUnavailableError
from infra.queries import load_queries, put_together
from infra.retention.days import Key, Retention, Setting

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
#: A changed setting is in force for rows written this much later.
REFRESH_SECONDS = 5.0


class LiveRetention:
    """The settings as they were at most a few seconds ago. Safe to share between threads."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse
        self._read_at = float("-inf")
        self._current: Retention | None = None

    def __call__(self) -> Retention:
        """Raises as `ClickHouse` does, but only where nothing was read before."""
        if time.monotonic() - self._read_at >= REFRESH_SECONDS:
            try:
                self._current = Retention(read_settings(self._clickhouse))
                self._read_at = time.monotonic()
            except (ClickHouseUnavailableError, ClickHouseRefusedError):
                if self._current is None:
                    raise
        assert self._current is not None  # noqa: S101 - read, or raised
        return self._current


def read_settings(clickhouse: ClickHouse) -> dict[Key, Setting]:
    """Every setting, those that were taken back too. Raises as `ClickHouse` does."""
    return {
        (str(row["tenant_id"]), str(row["webhook_id"])): Setting(
            row["body_days"], row["row_days"], row["rejection_days"]
        )
        for row in clickhouse.query(_QUERIES["read_settings"])
    }


def write_settings(clickhouse: ClickHouse, changed: Mapping[Key, Setting]) -> None:
    """Put these in the place of the ones before. Raises as `ClickHouse` does."""
    keys, wanted = list(changed), list(changed.values())
    columns = {
        "tenant_id": pa.array([key[0] for key in keys], pa.string()),
        "webhook_id": pa.array([key[1] for key in keys], pa.string()),
        "body_days": pa.array([setting.bodies for setting in wanted], pa.uint16()),
        "row_days": pa.array([setting.rows for setting in wanted], pa.uint16()),
        "rejection_days": pa.array([setting.rejections for setting in wanted], pa.uint16()),
    }
    clickhouse.insert("retention_settings", pa.table(columns))


def apply_settings(clickhouse: ClickHouse) -> int | None:
    """Give rows that expire at another time than the settings of now say their new time; how many statements began.

    They run in the background of the engine; None while some of an earlier call still do. Rows of webhooks and tenants
    that never had a setting are not looked at. Raises as `ClickHouse` does.
    """
    if clickhouse.query(_QUERIES["count_running"])[0]["running"]:
        return None
    begun = 0
    for group in clickhouse.query(_QUERIES["list_groups"]):
        begun += _update(clickhouse, "deliveries", group)
        if not group["listed"]:
            begun += _update(clickhouse, "rejections", group)
    return begun


def _update(clickhouse: ClickHouse, table: str, group: Mapping[str, Any]) -> int:
    parameters = {**group, "tenant_id": str(group["tenant_id"]), "listed": bool(group["listed"])}
    if not clickhouse.query(put_together(_QUERIES, f"has_stale_{table}"), parameters)[0]["found"]:
        return 0
    clickhouse.execute(put_together(_QUERIES, f"update_{table}"), parameters)
    return 1
