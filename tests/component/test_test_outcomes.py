"""Waiting for what becomes of a test, on a broker that may go away meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline.embedded.kafka import start_kafka
from infra.clock import now_us
from infra.errors import KafkaUnavailableError
from infra.ids import uuid7_text
from infra.kafka import Outbox, PolledProducer, admin_client
from infra.settings import KafkaSettings
from infra.topics import RECORDED, apply_topics
from management.webhook_tests.outcomes import OutcomeWatcher
from schemas.records import DeliveryRecord, DispatchStatus

pytestmark = pytest.mark.proof

WAIT_SECONDS = 60.0


def record(delivery_id: str, status: DispatchStatus) -> DeliveryRecord:
    return DeliveryRecord(
        delivery_id=delivery_id,
        tenant_id="t",
        webhook_id="w",
        received_at=now_us(),
        recorded_at=now_us(),
        stage="processors",
        dispatch_status=status,
        is_test=True,
    )


def publish(settings: KafkaSettings, *records: DeliveryRecord | bytes) -> None:
    """Records by delivery id; bytes are the key of a malformed one."""
    producer = PolledProducer(settings, client_id="test", ack_timeout_seconds=30)
    outbox = Outbox(producer)
    for one in records:
        if isinstance(one, bytes):
            outbox.send(RECORDED, key=one, value=b"no record")
        else:
            outbox.send(RECORDED, key=one.delivery_id.encode(), value=one.model_dump_json().encode())
    outbox.wait(30)
    producer.close(5)


@pytest.fixture
def watchers() -> Iterator[list[OutcomeWatcher]]:
    made: list[OutcomeWatcher] = []
    yield made
    for watcher in made:
        watcher.stop(10)


def watch(watchers: list[OutcomeWatcher], settings: KafkaSettings) -> OutcomeWatcher:
    watcher = OutcomeWatcher(settings)
    watcher.start()
    watchers.append(watcher)
    return watcher


def test_an_outcome_is_met_after_a_restart_of_the_broker_too(tmp_path: Path, watchers: list[OutcomeWatcher]) -> None:
    first, second = uuid7_text(now_us()), uuid7_text(now_us())
    with start_kafka(tmp_path / "kafka") as broker:
        settings = KafkaSettings(bootstrap=broker.bootstrap)
        apply_topics(settings, admin_client(settings, "test"))
        publish(settings, record(first, DispatchStatus.FAILED))
        watcher = watch(watchers, settings)
        met, later = watcher.expect(first), watcher.expect(second)
        publish(
            settings,
            first.encode(),
            record(uuid7_text(now_us()), DispatchStatus.FAILED),
            record(first, DispatchStatus.PENDING),
            record(first, DispatchStatus.DISPATCHED),
            record(first, DispatchStatus.FAILED),
        )
        assert met.result(WAIT_SECONDS).dispatch_status is DispatchStatus.DISPATCHED
        watcher.forget(first)
        assert not later.done()
    with start_kafka(tmp_path / "kafka") as broker:
        assert broker.bootstrap == settings.bootstrap
        publish(settings, record(second, DispatchStatus.FILTERED))
        assert later.result(WAIT_SECONDS).dispatch_status is DispatchStatus.FILTERED


def test_without_a_broker_nothing_is_promised(watchers: list[OutcomeWatcher]) -> None:
    watcher = watch(watchers, KafkaSettings(bootstrap="127.0.0.1:1"))
    with pytest.raises(KafkaUnavailableError, match="outcomes cannot be read"):
        watcher.expect(uuid7_text(now_us()))


def test_whoever_waits_is_released_when_the_process_ends(tmp_path: Path, watchers: list[OutcomeWatcher]) -> None:
    with start_kafka(tmp_path / "kafka") as broker:
        settings = KafkaSettings(bootstrap=broker.bootstrap)
        apply_topics(settings, admin_client(settings, "test"))
        watcher = watch(watchers, settings)
        outcome = watcher.expect(uuid7_text(now_us()))
        watcher.release()
        assert outcome.cancelled()
        with pytest.raises(KafkaUnavailableError):
            watcher.expect(uuid7_text(now_us()))
