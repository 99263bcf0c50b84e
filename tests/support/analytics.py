"""Records for the ClickHouse sink, and the sink as a process that can be killed."""

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from confluent_kafka import Consumer, KafkaException, Producer

from infra.clickhouse import ClickHouse, migrate
from infra.ids import uuid7_text
from infra.kafka import admin_client, consumer_properties, producer_properties
from infra.log import configure
from infra.settings import AnalyticsSettings, ClickHouseSettings, KafkaSettings, Settings
from infra.topics import RECEIVED, RECORDED, REJECTED, apply_topics
from schemas import headers
from schemas.records import DeliveryRecord, DispatchStatus, RejectionRecord, RequestFacts
from sinks.clickhouse.role import SUBSCRIPTIONS, AnalyticsRole
from tests.support.offsets import ends_of
from tests.support.wait import eventually

ROOT = Path(__file__).parent.parent.parent
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
BODY = b'{"alert":{"id":1}}'
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def analytics_settings(bootstrap: str, clickhouse: ClickHouseSettings, *, group_id: str, **bounds: int) -> Settings:
    """Settings of a sink that reacts within a test's patience."""
    return Settings(
        kafka=KafkaSettings(bootstrap=bootstrap),
        clickhouse=clickhouse,
        analytics=AnalyticsSettings(
            group_id=group_id, session_timeout_seconds=6, retry_wait_seconds_max=0.5, batch_wait_milliseconds=200
        ).model_copy(update=dict(bounds)),
    )


def make_topics(settings: Settings) -> None:
    """The declared topics on the broker."""
    apply_topics(settings.kafka, admin_client(settings.kafka, "test-topics"))


def begin_at_the_end(settings: Settings) -> None:
    """Let the groups of `settings` begin behind what is in the topics: earlier tests' records are not this one's."""
    for subscription in SUBSCRIPTIONS:
        group_id = subscription.group_id(settings.analytics)
        eventually(
            partial(_commit_the_end, settings, group_id, subscription.topics),
            timeout_seconds=60,
            what=f"{group_id} to begin at the end",
        )


def _commit_the_end(settings: Settings, group_id: str, topics: Sequence[str]) -> bool:
    consumer = Consumer(consumer_properties(settings.kafka, "test", group_id))
    try:
        ends = [partition for partitions in ends_of(consumer, topics).values() for partition in partitions]
        consumer.commit(offsets=ends, asynchronous=False)
    except KafkaException:  # topics and coordinators that are new have no leader for a moment
        return False
    finally:
        consumer.close()
    return True


@dataclass(frozen=True)
class MadeRecord:
    """A record as a consumer would show it."""

    made_key: bytes
    made_value: bytes
    made_headers: headers.RawHeaders = field(default_factory=list)
    made_offset: int = field(default_factory=itertools.count().__next__)

    def offset(self) -> int:
        return self.made_offset

    def key(self) -> bytes:
        return self.made_key

    def value(self) -> bytes:
        return self.made_value

    def headers(self) -> Any:
        return self.made_headers


def request_record(delivery_id: str, received_at: int, body: bytes = BODY, **members: Any) -> MadeRecord:
    """A raw request; `members` are of DeliveryHeaders."""
    values: dict[str, Any] = {"tenant_id": TENANT, "webhook_id": WEBHOOK, "config_version": 1}
    values |= {"request": orjson.dumps(FACTS.model_dump()), "traceparent": TRACEPARENT, **members}
    record = headers.DeliveryHeaders(delivery_id=delivery_id, received_at_us=received_at, **values)
    return MadeRecord(UUID(delivery_id).bytes, body, headers.encode(record))


def outcome_record(delivery_id: str, received_at: int, **members: Any) -> MadeRecord:
    """A delivery record; `members` are of DeliveryRecord."""
    values: dict[str, Any] = {
        "tenant_id": TENANT,
        "webhook_id": WEBHOOK,
        "recorded_at": received_at + 5_000,
        "stage": "processors",
        "dispatch_status": DispatchStatus.DISPATCHED,
        **members,
    }
    record = DeliveryRecord(delivery_id=delivery_id, received_at=received_at, **values)
    return MadeRecord(delivery_id.encode(), record.model_dump_json().encode())


def rejection_record(rejection_id: str, rejected_at: int, **members: Any) -> MadeRecord:
    """A rejection; `members` are of RejectionRecord."""
    values: dict[str, Any] = {"tenant_id": TENANT, "webhook_id": WEBHOOK, "reason": "bad_signature", **members}
    record = RejectionRecord(
        rejection_id=rejection_id,
        rejected_at=rejected_at,
        method="POST",
        path="/api/inbound/acme/rmm-alerts",
        source_ip="203.0.113.9",
        **values,
    )
    return MadeRecord(WEBHOOK.encode(), record.model_dump_json().encode())


class Records:
    """Produces records of the three topics and remembers what it produced."""

    def __init__(self, settings: Settings) -> None:
        self._producer = Producer(producer_properties(settings.kafka, "test-records", ack_timeout_seconds=30))

    def request(self, delivery_id: str, received_at: int, body: bytes = BODY, **members: Any) -> None:
        """One raw request record."""
        self._send(RECEIVED, request_record(delivery_id, received_at, body, **members))

    def outcome(self, delivery_id: str, received_at: int, **members: Any) -> None:
        """One delivery record."""
        self._send(RECORDED, outcome_record(delivery_id, received_at, **members))

    def rejection(self, rejection_id: str, rejected_at: int, **members: Any) -> None:
        """One rejection record."""
        self._send(REJECTED, rejection_record(rejection_id, rejected_at, **members))

    def _send(self, topic: str, made: MadeRecord) -> None:
        self.raw(topic, made.value(), key=made.key(), record_headers=made.headers())

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

    def __init__(self, settings: Settings, log_file: Path) -> None:
        text = settings.model_dump_json(include={"kafka", "clickhouse", "analytics", "sla"})
        with log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.analytics", text], cwd=ROOT, stderr=log
            )

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
    configure(role="analytics", level="info")
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
