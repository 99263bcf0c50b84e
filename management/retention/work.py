"""Has settings of retention in ClickHouse soon after they are committed in Postgres, and puts them onto old rows."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.clickhouse import ClickHouse
from infra.log import get_logger
from infra.postgres import Connection
from infra.queries import load_queries
from infra.retention.days import NIL, NO_SETTING, Key, Setting
from infra.retention.settings import REFRESH_SECONDS, apply_settings, read_settings, write_settings
from infra.settings import PostgresSettings
from management.leading import LedWork

_QUERIES = load_queries(Path(__file__).parent / "queries.sql")
#: When every sink has read a change, and has written the batch it had begun before.
_SETTLE_SECONDS = 6 * REFRESH_SECONDS
_APPLY_SECONDS = 3_600.0
_log = get_logger(__name__)


class RetentionWork(LedWork):
    """The part `retention`.

    Copies within `look_seconds`. Rows that are there follow `_SETTLE_SECONDS` after a change; once an hour
    those are looked for that escaped, because a sink that stood still wrote them by an earlier setting.
    """

    name = "retention"
    lock_key = 0x686C2072657461  # "hl reta"
    look_seconds = 2.0

    def __init__(self, postgres: PostgresSettings, clickhouse: ClickHouse) -> None:
        super().__init__(postgres)
        self._clickhouse = clickhouse
        self._apply_at = time.monotonic()

    def step(self, connection: Connection) -> Sequence[str]:
        """Copy what changed; apply when it is time. Raises as the stores do."""
        if copy_settings(connection, self._clickhouse):
            self._apply_at = min(self._apply_at, time.monotonic() + _SETTLE_SECONDS)
        if time.monotonic() < self._apply_at:
            return ()
        begun = apply_settings(self._clickhouse)
        if begun:
            _log.info("retention.applying", statements=begun)
        if begun is not None:
            self._apply_at = time.monotonic() + _APPLY_SECONDS
        return ()


def copy_settings(connection: Connection, clickhouse: ClickHouse) -> int:
    """Make ClickHouse have what is committed in Postgres; how many settings changed. Raises as the stores do.

    What ClickHouse knows of webhooks and tenants that are gone stays: their deliveries are there still.
    """
    known = read_settings(clickhouse)
    wanted = _wanted(connection, known)
    changed = {key: setting for key, setting in wanted.items() if known.get(key, NO_SETTING) != setting}
    if changed:
        write_settings(clickhouse, changed)
        _log.info("retention.copied", settings=len(changed))
    return len(changed)


def _wanted(connection: Connection, known: Mapping[Key, Setting]) -> dict[Key, Setting]:
    parameters = {"tenant_ids": [key[0] for key in known], "webhook_ids": [key[1] for key in known]}
    tenants = connection.execute(_QUERIES["read_tenants"].encode(), parameters).fetchall()
    webhooks = connection.execute(_QUERIES["read_webhooks"].encode(), parameters).fetchall()
    wanted = {
        (str(row["tenant_id"]), NIL): Setting(
            row["body_retention_days"], row["row_retention_days"], row["rejection_retention_days"]
        )
        for row in tenants
    }
    for row in webhooks:
        wanted[str(row["tenant_id"]), str(row["webhook_id"])] = Setting(row["bodies"], row["rows"])
    return wanted
