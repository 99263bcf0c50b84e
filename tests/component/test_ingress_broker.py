"""The receiver while its broker misbehaves: quick 503s, bounded waiting, and recovery by itself."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from hookline.embedded.kafka import KafkaBroker, start_kafka
from tests.support.ingress import (
    READY_SECONDS,
    HttpAnswer,
    Publisher,
    RawConnection,
    RunningIngress,
    Watcher,
    await_status,
    publishing,
    running_ingress,
    signed,
)
from tests.support.ingress_load import sending
from tests.support.wait import eventually

pytestmark = pytest.mark.proof

ACK_SECONDS = 2.0
CAP = 20


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker of this test's own, which it may suspend."""
    with start_kafka(tmp_path / "kafka") as broker:
        yield broker


@pytest.fixture
def tenant(broker: KafkaBroker) -> Iterator[Publisher]:
    with publishing(broker.bootstrap) as publisher:
        yield publisher


@pytest.fixture
def ingress(broker: KafkaBroker, tenant: Publisher) -> Iterator[RunningIngress]:
    with running_ingress(broker.bootstrap, ack_timeout_seconds=ACK_SECONDS, in_flight_requests_max=CAP) as running:
        yield running


@pytest.fixture
def patient_ingress(broker: KafkaBroker, tenant: Publisher) -> Iterator[RunningIngress]:
    """One that waits for the broker while a test looks at it and stops it."""
    with running_ingress(broker.bootstrap, ack_timeout_seconds=60.0, shutdown_timeout_seconds=60.0) as running:
        yield running


def timed(ingress: RunningIngress, raw: bytes) -> tuple[HttpAnswer, float]:
    started = time.monotonic()
    answer = ingress.send(raw)
    return answer, time.monotonic() - started


def test_a_suspended_broker_means_503_within_the_deadline_and_recovery_by_itself(
    broker: KafkaBroker, ingress: RunningIngress, tenant: Publisher
) -> None:
    config = tenant.publish(tenant.webhook(rate_limit_per_minute=60_000))
    raw = signed(config, b"{}")
    await_status(ingress, raw, 200)
    watcher = Watcher(broker.bootstrap)
    broker.suspend()
    try:
        with ThreadPoolExecutor(2 * CAP) as senders:
            answers = list(senders.map(lambda _: timed(ingress, raw), range(2 * CAP)))
        assert {answer.status for answer, _ in answers} == {503}
        assert {(answer.body, answer.headers["retry-after"]) for answer, _ in answers} == {
            (b'{"error":"unavailable"}', "5")
        }
        waits = sorted(seconds for _, seconds in answers)
        assert waits[-1] < ACK_SECONDS + 1.5, "nobody waits much longer than the deadline"
        assert waits[CAP - 1] < ACK_SECONDS / 2, "beyond the cap in flight the answer comes at once"
        unready = eventually(
            lambda: ingress.readiness() if ingress.readiness()[0] == 503 else None, timeout_seconds=20, what="unready"
        )
        assert unready is not None
        assert "broker" in unready[1]["parts"][0]["reasons"][0]
        assert ingress.get("/healthz").status == 200
    finally:
        broker.resume()
    accepted = await_status(ingress, raw, 200, timeout_seconds=20)
    ingress.await_ready()
    watcher.delivery(accepted.json["delivery_id"])
    watcher.close()


def test_bytes_in_flight_are_bounded_too(broker: KafkaBroker, tenant: Publisher) -> None:
    config = tenant.publish(tenant.webhook())
    with running_ingress(broker.bootstrap, ack_timeout_seconds=60.0, in_flight_bytes_max=300_000) as ingress:
        small, large = signed(config, b"{}"), signed(config, b'"' + b"x" * 200_000 + b'"')
        await_status(ingress, large, 200)
        broker.suspend()
        try:
            with RawConnection(ingress.port) as waiting:
                waiting.send(large)
                eventually(
                    lambda: b"hookline_ingress_in_flight_bytes 200002.0" in ingress.get("/metrics").body,
                    timeout_seconds=20,
                    what="the first body in flight",
                )
                answer, seconds = timed(ingress, large)
                assert (answer.status, seconds < 2) == (503, True)
                waiting.send(small)
        finally:
            broker.resume()
        await_status(ingress, large, 200, timeout_seconds=20)


def test_under_load_every_200_is_in_kafka_across_an_outage(
    broker: KafkaBroker, ingress: RunningIngress, tenant: Publisher
) -> None:
    config = tenant.publish(tenant.webhook(rate_limit_per_minute=60_000))
    await_status(ingress, signed(config, b"{}"), 200)
    watcher = Watcher(broker.bootstrap)
    resident_before = psutil.Process(ingress.process.pid).memory_info().rss
    with sending(ingress, signed(config, b"{}"), connections=8) as load:
        statuses = load.statuses
        try:
            eventually(lambda: statuses[200] > 200, timeout_seconds=20, what="traffic")
            broker.suspend()
            eventually(lambda: statuses[503] > 20, timeout_seconds=30, what="503s")
            broker.resume()
            before = statuses[200]
            eventually(lambda: statuses[200] > before + 200, timeout_seconds=30, what="recovery")
        finally:
            broker.resume()
    resident_after = psutil.Process(ingress.process.pid).memory_info().rss
    assert resident_after - resident_before < 50 * 1024 * 1024
    load.await_written(watcher)
    assert set(statuses) == {200, 503}
    watcher.close()


def test_a_stop_waits_for_what_is_in_flight_and_takes_nothing_new(
    broker: KafkaBroker, patient_ingress: RunningIngress, tenant: Publisher
) -> None:
    ingress, config = patient_ingress, tenant.publish(tenant.webhook())
    await_status(ingress, signed(config, b"{}"), 200)
    watcher = Watcher(broker.bootstrap)
    broker.suspend()
    with RawConnection(ingress.port) as idle, RawConnection(ingress.port) as waiting:
        waiting.send(signed(config, b'{"last": true}'))
        eventually(
            lambda: b"hookline_ingress_in_flight_requests 1.0" in ingress.get("/metrics").body,
            timeout_seconds=20,
            what="a request in flight",
        )
        ingress.process.terminate()
        assert idle.is_closed()
        broker.resume()
        answer = waiting.receive()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert watcher.delivery(answer.json["delivery_id"]).value() == b'{"last": true}'
    assert ingress.process.wait(20) == 0
    watcher.close()


def test_without_a_broker_at_the_start_it_is_alive_unready_and_becomes_ready(tmp_path: Path) -> None:
    with start_kafka(tmp_path / "kafka") as broker:
        with publishing(broker.bootstrap) as tenant:
            config = tenant.publish(tenant.webhook())
        broker.suspend()
        with running_ingress(broker.bootstrap, await_ready=False) as ingress:
            eventually(lambda: ingress.readiness()[0] == 503, timeout_seconds=READY_SECONDS, what="an unready receiver")
            assert ingress.get("/healthz").status == 200
            reasons = ingress.readiness()[1]["parts"][0]["reasons"]
            assert "webhooks: still reading" in reasons
            broker.resume()
            ingress.await_ready()
            await_status(ingress, signed(config, b"{}"), 200)


def test_a_receiver_that_has_not_read_its_webhooks_yet_says_503_and_never_401(
    broker: KafkaBroker, tenant: Publisher
) -> None:
    config = tenant.publish(tenant.webhook())
    broker.suspend()
    try:
        with running_ingress(broker.bootstrap, await_ready=False) as starting:
            eventually(
                lambda: starting.readiness()[0] == 503, timeout_seconds=READY_SECONDS, what="the receiver to listen"
            )
            answer = starting.send(signed(config, b"{}"))
            assert answer.status == 503
            assert "retry-after" in answer.headers
            broker.resume()
            eventually(
                lambda: starting.send(signed(config, b"{}")).status == 200, timeout_seconds=30, what="it to accept"
            )
    finally:
        broker.resume()
