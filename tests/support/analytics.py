"""Records for the ClickHouse sink, and the sink as a process that can be killed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import orjson
from confluent_kafka import Producer

from infra.ids import uuid7_text
from infra.kafka import admin_client, producer_properties
from infra.settings import AnalyticsSettings, ClickHouseSettings, KafkaSettings, Settings
from infra.topics import RECEIVED, RECORDED, REJECTED, apply_topics
from schemas import headers
from schemas.records import DeliveryRecord, DispatchStatus, RejectionRecord, RequestFacts

TENANT = "0192f0c0-0000-7000-8000-000000000001"
OTHER_TENANT = "0192f0c0-0000-7000-8000-000000000002"
WEBHOOK = "0192f0c0-0000-7000-8000-0000000000aa"
FACTS = RequestFacts(
    method="POST",
    path="/api/inbound/acme/rmm-alerts",
    query={"region": "eu"},
    headers={"content-type": "application/json", "x-event": "alert.opened"},
    source_ip="203.0.113.9",
    user_agent="rmm/4.2",
    content_type="application/json",
    ingress_us=740,
)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def analytics_settings(bootstrap: str, clickhouse: ClickHouseSettings, *, group_id: str, **bounds: int) -> Settings:
    """Settings of a sink that reacts within a test's patience."""
    return Settings(
        kafka=KafkaSettings(bootstrap=bootstrap, request_partitions=4),
        clickhouse=clickhouse,
        analytics=AnalyticsSettings(
            group_id=group_id, session_timeout_seconds=6, retry_wait_seconds_max=0.5, batch_wait_milliseconds=200
        ).model_copy(update=dict(bounds)),
    )


def make_topics(settings: Settings) -> None:
    """The declared topics on the broker."""
    apply_topics(settings.kafka, admin_client(settings.kafka, "test-topics"))


class Records:
    """Produces records of the three topics and remembers what it produced."""

    def __init__(self, settings: Settings) -> None:
        self._producer = Producer(producer_properties(settings.kafka, "test-records", ack_timeout_seconds=30))

    def request(
        self, delivery_id: str, received_at: int, body: bytes = b'{"alert":{"id":1}}', **members: object
    ) -> None:
        """One raw request record."""
        values: dict[str, object] = {"tenant_id": TENANT, "webhook_id": WEBHOOK, "config_version": 1, **members}
        record = headers.DeliveryHeaders(
            delivery_id=delivery_id,
            received_at_us=received_at,
            request=orjson.dumps(FACTS.model_dump()),
            traceparent=TRACEPARENT,
            **values,  # type: ignore[arg-type]  # members of DeliveryHeaders
        )
        self.raw(RECEIVED, body, key=UUID(delivery_id).bytes, record_headers=headers.encode(record))

    def outcome(self, delivery_id: str, received_at: int, **members: object) -> None:
        """One delivery record."""
        values: dict[str, object] = {
            "tenant_id": TENANT,
            "webhook_id": WEBHOOK,
            "recorded_at": received_at + 5_000,
            "stage": "processors",
            "dispatch_status": DispatchStatus.DISPATCHED,
            **members,
        }
        record = DeliveryRecord(delivery_id=delivery_id, received_at=received_at, **values)
        self.raw(RECORDED, record.model_dump_json().encode(), key=delivery_id.encode())

    def rejection(self, rejection_id: str, rejected_at: int, **members: object) -> None:
        """One rejection record."""
        values: dict[str, object] = {"tenant_id": TENANT, "webhook_id": WEBHOOK, "reason": "bad_signature", **members}
        record = RejectionRecord(
            rejection_id=rejection_id,
            rejected_at=rejected_at,
            method="POST",
            path="/api/inbound/acme/rmm-alerts",
            source_ip="203.0.113.9",
            **values,  # type: ignore[arg-type]  # members of RejectionRecord
        )
        self.raw(REJECTED, record.model_dump_json().encode(), key=WEBHOOK.encode())

    def raw(
        self, topic: str, value: bytes, *, key: bytes = b"", record_headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Any bytes."""
        self._producer.produce(topic, value, key=key, headers=list(record_headers))
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait for every acknowledgement."""
        assert self._producer.flush(30) == 0


def delivery_ids(count: int, received_at: int) -> list[str]:
    """New delivery ids of one moment."""
    return [uuid7_text(received_at) for _ in range(count)]


class AnalyticsProcess:
    """`python -m tests.support.analytics SETTINGS`: migrates, then runs the role until it is killed or told to stop."""

    def __init__(self, settings: Settings) -> None:
        text = settings.model_dump_json(include={"kafka", "clickhouse", "analytics"})
        self._process = subprocess.Popen([sys.executable, "-m", "tests.support.analytics", text], cwd=Path.cwd())

    def kill(self) -> None:
        """SIGKILL, as the machine would."""
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> int:
        """SIGTERM and wait; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)


def main() -> None:
    """The process's own side."""
    from infra.clickhouse import ClickHouse, migrate
    from infra.log import configure
    from sinks.clickhouse.role import AnalyticsRole

    configure(role="analytics", level=os.environ.get("TEST_LOG_LEVEL", "error"))
    settings = Settings.model_validate_json(sys.argv[1])
    clickhouse = ClickHouse(settings.clickhouse)
    migrate(clickhouse)
    role = AnalyticsRole(settings, clickhouse)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    role.start()
    parent = os.getppid()
    while not stopping.wait(0.1):
        if os.getppid() != parent:
            break
    role.stop(20)
    clickhouse.close()


if __name__ == "__main__":
    main()
