"""What the delivery log says of all webhooks of all tenants at once: a fixed number of statements per look.

A window is a range of times, by which ClickHouse leaves out every part that ends before it: docs/adr/0020-alerts.md.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from infra.clickhouse import ClickHouse
from infra.clock import MICROSECONDS
from infra.proofs.requests import BAD_ADDRESS, BAD_SIGNATURE, BAD_TIMESTAMP, BAD_TOKEN, NO_PROOF
from infra.queries import load_queries
from infra.settings import SlaSettings

#: (tenant, webhook).
Webhook = tuple[UUID, UUID]
_REFUSED_PROOFS = (NO_PROOF, BAD_SIGNATURE, BAD_TIMESTAMP, BAD_TOKEN, BAD_ADDRESS)
_PRIORITIES = ("low", "normal", "high", "critical")
_MINUTE_US = 60 * MICROSECONDS


class WindowOutcomes(NamedTuple):
    """Of a webhook in a window. `late` is by priority: how many took longer than each priority's target."""

    finished: int
    failed: int
    late: tuple[int, int, int, int]


class Refusals(NamedTuple):
    """Requests of a webhook whose proof was refused, and the reasons there were."""

    refused: int
    reasons: tuple[str, ...]


class Observations:
    """Raises as `infra.clickhouse.ClickHouse` does. Every time is in microseconds since the epoch."""

    def __init__(self, clickhouse: ClickHouse, sla: SlaSettings) -> None:
        self._clickhouse = clickhouse
        self._targets_ms = {f"{name}_ms": getattr(sla, f"{name}_seconds") * 1_000 for name in _PRIORITIES}
        self._queries = load_queries(Path(__file__).parent / "observations.sql")

    def outcomes(self, window_minutes: int, now_us: int) -> dict[Webhook, WindowOutcomes]:
        """Of those webhooks where a delivery failed, or came later than some priority's target."""
        rows = self._rows("read_outcomes", **_window(window_minutes, now_us), **self._targets_ms)
        return {
            (row["tenant_id"], row["webhook_id"]): WindowOutcomes(
                row["finished"],
                row["failed"],
                (row["late_low"], row["late_normal"], row["late_high"], row["late_critical"]),
            )
            for row in rows
        }

    def refusals(self, window_minutes: int, now_us: int) -> dict[Webhook, Refusals]:
        """Of those webhooks where a proof was refused."""
        rows = self._rows("read_rejections", **_window(window_minutes, now_us), reasons=list(_REFUSED_PROOFS))
        return {
            (row["tenant_id"], row["webhook_id"]): Refusals(int(row["refused"]), tuple(row["reasons"])) for row in rows
        }

    def undecodable(self, window_minutes: int, now_us: int) -> dict[str, int]:
        """Records per topic that the sink could not read."""
        since_us = now_us - window_minutes * _MINUTE_US
        return {row["topic"]: int(row["records"]) for row in self._rows("read_undecodable", since_us=since_us)}

    def silent(self, before_us: int) -> dict[Webhook, int]:
        """When each webhook spoke last, of those that have said nothing since `before_us`."""
        rows = self._rows("list_silent", before_us=before_us)
        return {(row["tenant_id"], row["webhook_id"]): int(row["last_us"]) for row in rows}

    def speaking(self, after: Webhook, since_us: int, webhooks_max: int) -> list[Webhook]:
        """The next webhooks behind `after` that have said something since then, in ClickHouse's order."""
        rows = self._rows(
            "list_speaking",
            after_tenant_id=str(after[0]),
            after_webhook_id=str(after[1]),
            since_us=since_us,
            webhooks_max=webhooks_max,
        )
        return [(row["tenant_id"], row["webhook_id"]) for row in rows]

    def active_hours(self, webhooks: Sequence[Webhook], since_us: int) -> dict[Webhook, Sequence[int]]:
        """The hours since the epoch in which each spoke, rising."""
        rows = self._rows(
            "read_active_hours",
            tenant_ids=[str(tenant_id) for tenant_id, _ in webhooks],
            webhook_ids=[str(webhook_id) for _, webhook_id in webhooks],
            since_us=since_us,
        )
        return {(row["tenant_id"], row["webhook_id"]): row["hours"] for row in rows}

    def _rows(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        return self._clickhouse.query(self._queries[name], parameters)


def _window(minutes: int, now_us: int) -> Mapping[str, int]:
    return {"since_us": now_us - minutes * _MINUTE_US, "until_us": now_us}
