"""Deliveries and rejections put into the log of a tenant, as the sink would."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from infra.clickhouse import ClickHouse
from infra.ids import uuid7_text
from schemas.records import RequestFacts
from sinks.clickhouse.core.outcomes import build_outcomes
from sinks.clickhouse.core.rejections import build_rejections
from sinks.clickhouse.core.requests import build_requests
from sinks.clickhouse.core.rows import Source
from sinks.clickhouse.writer import BatchWriter
from tests.support.analytics import FACTS, MadeRecord, outcome_record, rejection_record, request_record
from tests.support.management import KnownTenant, ManagementBase

Json = dict[str, Any]
DAY_US = 86_400_000_000
TOPIC = "webhooks.request.received.v1"


@dataclass(slots=True)
class LogOf:
    """The log of one tenant; `at_us` is when the next request comes, one millisecond after the other."""

    clickhouse: ClickHouse
    tenant: KnownTenant
    at_us: int
    webhook_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def delivery(
        self,
        body: bytes = b"{}",
        *,
        facts: Json | None = None,
        outcome: Json | None = None,
        **members: Any,
    ) -> str:
        """A request, and its outcome where members of one are given; `members` are of DeliveryHeaders."""
        self.at_us += 1_000
        members = {"tenant_id": str(self.tenant.id), "webhook_id": self.webhook_id, **members}
        delivery_id = uuid7_text(self.at_us)
        changed = RequestFacts.model_validate({**FACTS.model_dump(), **(facts or {})}).model_dump_json().encode()
        self.write([request_record(delivery_id, self.at_us, body, request=changed, **members)], "requests")
        if outcome is not None:
            self.outcome(delivery_id, self.at_us, webhook_id=members["webhook_id"], **outcome)
        return delivery_id

    def outcome(self, delivery_id: str, received_at: int, **members: Any) -> None:
        """What became of a request; `members` are of DeliveryRecord."""
        whole = {"tenant_id": str(self.tenant.id), "webhook_id": self.webhook_id, **members}
        self.write([outcome_record(delivery_id, received_at, **whole)], "outcomes")

    def rejection(self, **members: Any) -> str:
        """A request that was not taken; `members` are of RejectionRecord."""
        self.at_us += 1_000
        rejection_id = uuid7_text(self.at_us)
        whole = {"tenant_id": str(self.tenant.id), "webhook_id": self.webhook_id, **members}
        self.write([rejection_record(rejection_id, self.at_us, **whole)], "rejections")
        return rejection_id

    def write(self, records: Sequence[MadeRecord], kind: str) -> None:
        """A batch of the sink's."""
        build = {"requests": build_requests, "outcomes": build_outcomes, "rejections": build_rejections}[kind]
        source = Source(TOPIC, uuid.uuid4().hex, 3)
        BatchWriter(self.clickhouse).write(build(records, source), source, 0, len(records))


def listed(base: ManagementBase, path: str, **params: Any) -> list[dict[str, Any]]:
    """What a list shows on its first page, which must be an answer."""
    answer = base.call("GET", path, params={"per_page": 100, **params})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def pages(base: ManagementBase, path: str, **params: Any) -> Iterator[dict[str, Any]]:
    """Page after page by the cursor."""
    cursor: dict[str, str] = {}
    while True:
        answer = base.call("GET", path, params={**params, **cursor})
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        yield page
        if page["meta"]["next_cursor"] is None:
            return
        cursor = {"cursor": page["meta"]["next_cursor"]}


def problems(answer: httpx.Response) -> dict[str, str]:
    """What is wrong with a request, by path."""
    assert answer.status_code == 400, answer.text
    return {one["path"]: one["message"] for one in answer.json()["error"]["details"]}
