"""Webhooks of tenants in every state that alert rules look for, and looks at the rules over the real stores."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.ids import uuid7_text
from infra.settings import Settings
from management.alerting.evaluation import Evaluation
from management.alerting.job import AlertJob
from management.alerting.session import AlertSession, Written
from management.group_watch import GroupWatch
from management.relays.session import relay_connection
from schemas.records import DispatchStatus
from sinks.clickhouse.core.outcomes import build_outcomes
from sinks.clickhouse.core.rejections import build_rejections
from sinks.clickhouse.core.requests import build_requests
from sinks.clickhouse.core.rows import Rows, Source
from sinks.clickhouse.writer import BatchWriter
from tests.support.analytics import outcome_record, rejection_record, request_record
from tests.support.management import KnownTenant, ManagementBase
from tests.support.wait import eventually

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
_WAIT_SECONDS = 60.0


@dataclass
class Alarms:
    """A tenant's webhooks in the log, and what a look makes of them."""

    base: ManagementBase
    clickhouse: ClickHouse
    settings: Settings
    tenant: KnownTenant
    evaluation: Evaluation
    session: AlertSession
    source: Source = field(default_factory=lambda: Source("alerts", uuid.uuid4().hex, 0))
    offset: int = 0

    def add_webhook(self, name: str, *, priority: int = 1, active: bool = True) -> UUID:
        """A webhook of the tenant."""
        webhook_id = uuid.uuid4()
        self.base.write(
            "INSERT INTO webhooks (tenant_id, id, slug, name, is_active, priority) VALUES (%s, %s, %s, %s, %s, %s)",
            (self.tenant.id, webhook_id, f"w-{webhook_id.hex[:12]}", name, active, priority),
        )
        return webhook_id

    def deliver(
        self, webhook_id: UUID, status: DispatchStatus, count: int, *, minutes_ago: float = 5, seconds: float = 0.1
    ) -> None:
        """Requests that were received so long ago and had their outcome after `seconds`."""
        received_at = now_us() - int(minutes_ago * MINUTE_US)
        members: dict[str, Any] = {"tenant_id": str(self.tenant.id), "webhook_id": str(webhook_id)}
        ids = [uuid7_text(received_at) for _ in range(count)]
        self._write(build_requests([request_record(one, received_at, **members) for one in ids], self.source))
        recorded_at = received_at + int(seconds * 1_000_000)
        outcomes = [
            outcome_record(one, received_at, recorded_at=recorded_at, dispatch_status=status, **members) for one in ids
        ]
        self._write(build_outcomes(outcomes, self.source))

    def refuse(self, webhook_id: UUID, count: int) -> None:
        """One record that stands for so many requests whose signature was wrong."""
        at = now_us() - MINUTE_US
        members: dict[str, Any] = {"tenant_id": str(self.tenant.id), "webhook_id": str(webhook_id)}
        record = rejection_record(uuid7_text(at), at, reason="rejected_signature", count=count, **members)
        self._write(build_rejections([record], self.source))

    def speak(self, webhook_id: UUID, hours: Sequence[int]) -> None:
        """One request in each of these hours since the epoch."""
        members: dict[str, Any] = {"tenant_id": str(self.tenant.id), "webhook_id": str(webhook_id)}
        times = [hour * HOUR_US + 30 * MINUTE_US for hour in hours]
        self._write(build_requests([request_record(uuid7_text(at), at, **members) for at in times], self.source))

    def look(self) -> Written:
        """Look at all rules."""
        return look_at_all(self.evaluation, self.session)

    def alerts(self, webhook_id: UUID) -> list[dict[str, Any]]:
        """Those of a webhook of the tenant, oldest first."""
        return self.base.rows(
            "SELECT * FROM alerts WHERE tenant_id = %s AND webhook_id = %s ORDER BY raised_at, id",
            (self.tenant.id, webhook_id),
        )

    def open_rules(self, webhook_id: UUID) -> list[str]:
        """Rules with an open alert of the webhook."""
        return sorted(one["rule"] for one in self.alerts(webhook_id) if one["state"] == "open")

    def told(self, webhook_id: UUID) -> list[dict[str, Any]]:
        """Payloads of the outbox about the webhook's alerts, in their order."""
        ids = [str(one["id"]) for one in self.alerts(webhook_id)]
        rows = self.base.rows(
            "SELECT payload FROM outbox WHERE entity_type = 'alert' AND entity_id = ANY(%s::uuid[]) ORDER BY position",
            (ids,),
        )
        return [row["payload"] for row in rows]

    def _write(self, built: list[Rows]) -> None:
        self.offset += 1
        BatchWriter(self.clickhouse).write(built, self.source, self.offset, self.offset)


def look_at_all(evaluation: Evaluation, session: AlertSession) -> Written:
    """Look until no rule is left out, as the job does: a store may answer late. What all these looks wrote."""
    deadline = time.monotonic() + _WAIT_SECONDS
    raised = resolved = 0
    while True:
        written, troubles = evaluation.look(session, now_us())
        raised, resolved = raised + written.raised, resolved + written.resolved
        if not troubles or time.monotonic() >= deadline:
            assert troubles == []
            return Written(raised, resolved)


def look_until(evaluation: Evaluation, session: AlertSession, found: Callable[[], object], *, what: str) -> None:
    """Look again and again: what is read of a topic or learnt of webhooks may take more than one look."""

    def looked_and_found() -> object:
        look_at_all(evaluation, session)
        return found()

    eventually(looked_and_found, timeout_seconds=_WAIT_SECONDS, what=what)


@contextmanager
def evaluating(settings: Settings, clickhouse: ClickHouse) -> Iterator[tuple[Evaluation, AlertSession]]:
    """What a leader keeps, and its session."""
    with (
        closing(GroupWatch(settings)) as watch,
        closing(Evaluation(settings, clickhouse, watch)) as evaluation,
        relay_connection(settings.postgres, idle_seconds_max=AlertJob.idle_seconds_max) as connection,
    ):
        yield evaluation, AlertSession(connection)
