"""Erasures that a test waits for, in an engine that lets go of old files at once."""

from typing import Any

from infra.clickhouse import ClickHouse
from tests.support.management import ManagementBase
from tests.support.wait import eventually

#: An engine keeps files that were replaced for eight minutes.
FORGET_AT_ONCE = (
    "ALTER TABLE deliveries MODIFY SETTING old_parts_lifetime = 1, cleanup_delay_period = 1, "
    "cleanup_delay_period_random_add = 0, max_cleanup_delay_period = 1, merge_tree_clear_old_parts_interval_seconds = 1"
)


def await_status(base: ManagementBase, erasure_id: str, status: str = "done") -> dict[str, Any]:
    """The erasure as the API shows it, once it has this status."""
    shown: dict[str, Any] = {}

    def has_status() -> bool:
        shown.update(base.call("GET", f"/erasures/{erasure_id}").json())
        return bool(shown["status"] == status)

    eventually(has_status, timeout_seconds=60, what=f"the erasure is {status}")
    return shown


def await_closed(base: ManagementBase, clickhouse: ClickHouse, erasure_id: str) -> None:
    """Return when no thread touches it any more, which otherwise takes as long as Kafka keeps what it was about."""
    clickhouse.execute(FORGET_AT_ONCE)
    await_status(base, erasure_id)
    base.write("UPDATE erasures SET in_force_until = now(), next_look_at = now() WHERE id = %s", (erasure_id,))
    eventually(
        lambda: base.rows("SELECT FROM erasures WHERE id = %s AND closed_at IS NOT NULL", (erasure_id,)) != [],
        timeout_seconds=60,
        what="the erasure is closed",
    )
