"""Requests that go the whole way to the log, and their replays: over the API, through real processors and sinks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import TopicPartition

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.ids import uuid7_text
from infra.kafka import Outbox, PolledProducer, admin_client
from infra.settings import AnalyticsSettings
from infra.topics import request_topic
from schemas import headers as record_headers
from schemas.encoding import record_bytes
from schemas.headers import DeliveryHeaders
from schemas.keys import request_key
from schemas.records import RequestFacts
from sinks.clickhouse.role import AnalyticsRole
from tests.support.wait import eventually
from tests.support.webhook_stage import WebhookStage, webhook_stage

Json = dict[str, Any]
LOGGED_SECONDS = 60.0
_ANSWER_SECONDS = 20


@dataclass
class ReplayStage:
    """`webhooks` has the API and the demo tenant; `clickhouse` is the log, which the role analytics fills."""

    webhooks: WebhookStage
    clickhouse: ClickHouse
    producer: PolledProducer

    def call(self, method: str, path: str, *, expected_status: int = 200, **arguments: Any) -> Json:
        """The answer of the API, which must have this status."""
        answer = self.webhooks.base.call(method, path, **arguments)
        assert answer.status_code == expected_status, answer.text
        shown: Json = answer.json()
        return shown

    def accept(
        self, webhook: Json, body: object, *, dedupe_key: str | None = None, facts: Json | None = None, **members: Any
    ) -> str:
        """A request as the receiver writes one; its delivery id. `members` are of DeliveryHeaders."""
        at_us = now_us()
        delivery_id, tenant_id = uuid7_text(at_us), str(self.webhooks.base.tenant.id)
        path = f"/api/inbound/{self.webhooks.base.tenant.slug}/{webhook['slug']}"
        known = {"method": "POST", "path": path, "source_ip": "10.0.0.1", "content_type": "application/json"}
        request = RequestFacts.model_validate(known | (facts or {})).model_dump_json().encode()
        headers = DeliveryHeaders(
            delivery_id, tenant_id, webhook["id"], webhook["version"], at_us, request, dedupe_key, **members
        )
        outbox = Outbox(self.producer)
        outbox.send(
            request_topic(webhook["priority"]),
            key=request_key(tenant_id, webhook["id"], dedupe_key or delivery_id),
            value=body if isinstance(body, bytes) else record_bytes(body),
            headers=record_headers.encode(headers),
            timestamp=at_us // 1_000,
        )
        outbox.wait(_ANSWER_SECONDS)
        return delivery_id

    def logged(self, delivery_id: str) -> Json:
        """The delivery's detail, once request and outcome are in the log."""

        def found() -> Json | None:
            answer = self.webhooks.base.call("GET", f"/deliveries/{delivery_id}")
            shown: Json = answer.json()
            is_whole = answer.status_code == 200 and shown["raw_record"] is not None
            return shown if is_whole and shown["dispatch_status"] != "pending" else None

        what = f"delivery {delivery_id} is in the log with its outcome"
        return eventually(found, timeout_seconds=LOGGED_SECONDS, what=what) or {}

    def replay(self, delivery_id: str, *, expected_status: int = 202, **given: Any) -> Json:
        """The answer to a replay by the delivery's id alone."""
        path = f"/events/{delivery_id}/replay"
        return self.call("POST", path, expected_status=expected_status, **({"json": given} if given else {}))

    def refused(self, delivery_id: str, status: int, **given: Any) -> tuple[str, str]:
        """Code and message of a replay that is refused."""
        error = self.replay(delivery_id, expected_status=status, **given)["error"]
        return error["code"], error["message"]

    def forget(self, delivery_id: str) -> None:
        """Have Kafka delete the delivery's record, and all before it."""
        place = self.logged(delivery_id)["raw_record"]
        cut = TopicPartition(place["topic"], place["partition"], place["offset"] + 1)
        admin = admin_client(self.webhooks.base.settings.kafka, "test")
        admin.delete_records([cut])[cut].result(_ANSWER_SECONDS)


@contextmanager
def replay_stage(postgres_dsn: str, clickhouse: ClickHouse, folder: Path) -> Iterator[ReplayStage]:
    """Everything runs, and one processors process has joined."""
    with webhook_stage(postgres_dsn, clickhouse, folder) as webhooks:
        prompt = AnalyticsSettings(batch_wait_milliseconds=50)
        analytics = AnalyticsRole(webhooks.base.settings.model_copy(update={"analytics": prompt}), clickhouse)
        analytics.start()
        producer = PolledProducer(webhooks.base.settings.kafka, client_id="test", ack_timeout_seconds=_ANSWER_SECONDS)
        try:
            webhooks.await_processors(members=1)
            yield ReplayStage(webhooks, clickhouse, producer)
        finally:
            producer.close(5)
            analytics.stop(20)
