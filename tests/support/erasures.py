"""Erasures that a test waits for, in an engine that lets go of old files at once."""

from typing import Any

from tests.support.management import ManagementBase
from tests.support.wait import eventually


def await_status(base: ManagementBase, erasure_id: str, status: str = "done") -> dict[str, Any]:
    """The erasure as the API shows it, once it has this status."""
    shown: dict[str, Any] = {}

    def has_status() -> bool:
        shown.update(base.call("GET", f"/erasures/{erasure_id}").json())
        return bool(shown["status"] == status)

    eventually(has_status, timeout_seconds=60, what=f"the erasure is {status}")
    return shown


def await_closed(base: ManagementBase, erasure_id: str) -> None:
    """Return when no thread touches it any more, which otherwise takes as long as Kafka keeps what it was about."""
    await_status(base, erasure_id)
    base.write("UPDATE erasures SET in_force_until = now(), next_look_at = now() WHERE id = %s", (erasure_id,))
    eventually(
        lambda: base.rows("SELECT FROM erasures WHERE id = %s AND closed_at IS NOT NULL", (erasure_id,)) != [],
        timeout_seconds=60,
        what="the erasure is closed",
    )
