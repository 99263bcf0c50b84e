"""Activity is left out while ClickHouse is away, and a server that does not answer is not asked every time."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from infra.errors import ClickHouseRefusedError, ClickHouseUnavailableError
from management.inbound_webhooks.activity import Activity
from management.inbound_webhooks.activity_reader import PAUSE_SECONDS, ActivityReader

WEBHOOK = uuid4()


class _Log:
    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.asked = 0

    def read(self, tenant_id: UUID, webhook_ids: Sequence[UUID]) -> dict[UUID, Activity]:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return dict.fromkeys(webhook_ids, Activity(1, 2, 0.5))


@pytest.mark.parametrize("failure", [ClickHouseUnavailableError("away"), ClickHouseRefusedError("no table")])
def test_a_failure_gives_nothing_and_the_log_is_asked_again_after_a_pause(failure: Exception) -> None:
    log, now = _Log(), [100.0]
    reader = ActivityReader(log, lambda: now[0])
    log.failure = failure
    assert reader.read(uuid4(), [WEBHOOK]) == {}
    now[0] += PAUSE_SECONDS - 0.1
    log.failure = None
    assert reader.read(uuid4(), [WEBHOOK]) == {}
    assert log.asked == 1
    now[0] += 0.1
    assert reader.read(uuid4(), [WEBHOOK]) == {WEBHOOK: Activity(1, 2, 0.5)}


def test_the_log_is_not_asked_about_no_webhook() -> None:
    log = _Log()
    assert ActivityReader(log, lambda: 0.0).read(uuid4(), []) == {}
    assert log.asked == 0
