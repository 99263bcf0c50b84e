"""Activity for whoever shows webhooks: nothing at all while ClickHouse is away, and no waiting for it every time."""

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from infra.errors import ClickHouseRefusedError, ClickHouseUnavailableError
from infra.log import get_logger
from management.inbound_webhooks.activity import Activity

#: After a failure nobody asks again for so long: a server that does not answer costs its time-out once.
PAUSE_SECONDS = 5.0
_log = get_logger(__name__)


class ReadsActivity(Protocol):
    """`management.inbound_webhooks.activity.WebhookActivity`, or what tests put in its place."""

    def read(self, tenant_id: UUID, webhook_ids: Sequence[UUID]) -> dict[UUID, Activity]: ...


class ActivityReader:
    """`monotonic` counts seconds. Safe to share between threads."""

    def __init__(self, activity: ReadsActivity, monotonic: Callable[[], float]) -> None:
        self._activity = activity
        self._monotonic = monotonic
        self._silent_until = 0.0

    def read(self, tenant_id: UUID, webhook_ids: Sequence[UUID]) -> dict[UUID, Activity]:
        """By webhook; empty while the log cannot be read."""
        if not webhook_ids or self._monotonic() < self._silent_until:
            return {}
        try:
            return self._activity.read(tenant_id, webhook_ids)
        except (ClickHouseUnavailableError, ClickHouseRefusedError) as error:
            self._silent_until = self._monotonic() + PAUSE_SECONDS
            _log.warning("management.activity.unavailable", reason=str(error))
            return {}
