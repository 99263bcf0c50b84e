"""Producers after a fatal error. The receiver replaces its own, and waits for answers longer than it bears idleness.

librdkafka's own fatal error, from a real broker: with `enable.gapless.guarantee` a record the broker refuses is one.
"""

import asyncio
import json
import re
import secrets
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from hookline.embedded.kafka import KafkaBroker, start_kafka
from infra.errors import KafkaUnavailableError
from infra.kafka import Outbox, PolledProducer, admin_client
from infra.settings import KafkaSettings
from infra.topics import RECEIVED
from processors.host.publisher import Outputs
from processors.host.publisher import Publisher as OutputPublisher
from tests.support.ingress import (
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

RECORD_BYTES_MAX = 50_000
GAPLESS = {"enable.gapless.guarantee": "true"}
READINESS = b"GET /readyz HTTP/1.1\r\nhost: test\r\n\r\n"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker of these tests' own: they suspend it and change a topic."""
    with start_kafka(tmp_path_factory.mktemp("broker") / "kafka") as broker:
        yield broker


@pytest.fixture(scope="module")
def publisher(broker: KafkaBroker) -> Iterator[Publisher]:
    """Topics as declared, but the broker refuses requests that the receiver takes."""
    with publishing(broker.bootstrap) as publisher:
        entry = ConfigEntry("max.message.bytes", str(RECORD_BYTES_MAX), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, RECEIVED, incremental_configs=[entry])
        admin = admin_client(publisher.settings.kafka, "ingress-tests")
        for future in admin.incremental_alter_configs([resource]).values():
            future.result(30)
        yield publisher


@pytest.fixture
def ingress(broker: KafkaBroker, publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningIngress]:
    monkeypatch.setenv("HOOKLINE_KAFKA__PROPERTIES", json.dumps(GAPLESS))
    with running_ingress(broker.bootstrap) as running:
        yield running


@pytest.fixture
def watcher(broker: KafkaBroker, publisher: Publisher) -> Iterator[Watcher]:
    watcher = Watcher(broker.bootstrap, [RECEIVED])
    yield watcher
    watcher.close()


def refused_body() -> bytes:
    """JSON that stays too large when it is compressed."""
    return b'"' + secrets.token_urlsafe(2 * RECORD_BYTES_MAX).encode() + b'"'


def metric(ingress: RunningIngress, name: str) -> float:
    found = re.search(rf"^hookline_{name} (\S+)$", ingress.get("/metrics").body.decode(), re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def await_replaced(ingress: RunningIngress, times: int) -> None:
    name = "ingress_producers_replaced_total"
    eventually(lambda: metric(ingress, name) == times, timeout_seconds=30, what=f"{times} producers replaced")


def test_after_a_fatal_error_the_producer_is_replaced_and_until_then_the_receiver_is_unready(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher
) -> None:
    config = tenant.publish(tenant.webhook(max_body_bytes=1_000_000))
    await_status(ingress, signed(config, b"{}"), 200)
    with RawConnection(ingress.port) as connection:
        connection.send(signed(config, refused_body()) + READINESS)
        refused, unready = connection.receive(), connection.receive()
    assert (refused.status, refused.json) == (503, {"error": "unavailable"})
    assert unready.status == 503
    assert unready.json["parts"][0]["reasons"][0].startswith("broker: ")
    await_replaced(ingress, 1)
    ingress.await_ready()
    assert metric(ingress, "ingress_in_flight_requests") == 0
    accepted = ingress.send(signed(config, b'{"after": 1}'))
    assert accepted.status == 200
    assert watcher.delivery(accepted.json["delivery_id"]).value() == b'{"after": 1}'
    assert ingress.stop() == 0


def test_under_load_every_200_is_in_kafka_across_fatal_errors(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher
) -> None:
    config = tenant.publish(tenant.webhook(max_body_bytes=1_000_000, rate_limit_per_minute=60_000))
    await_status(ingress, signed(config, b"{}"), 200)
    with sending(ingress, signed(config, b"{}"), connections=4) as load:

        def await_more_accepted() -> None:
            before = load.statuses[200]
            eventually(lambda: load.statuses[200] > before + 100, timeout_seconds=30, what="100 more accepted")

        for replaced in (1, 2, 3):
            await_more_accepted()
            assert ingress.send(signed(config, refused_body())).status == 503
            await_replaced(ingress, replaced)
        await_more_accepted()
    assert set(load.statuses) <= {200, 503}
    load.await_written(watcher)
    assert metric(ingress, "ingress_in_flight_requests") == 0
    ingress.await_ready()


def test_a_connection_that_waits_for_an_acknowledgement_is_not_idle(broker: KafkaBroker, publisher: Publisher) -> None:
    with running_ingress(broker.bootstrap, idle_timeout_seconds=0.5, ack_timeout_seconds=30.0) as ingress:
        config = publisher.publish(publisher.webhook("waiting"))
        await_status(ingress, signed(config, b"{}"), 200)
        broker.suspend()
        try:
            with RawConnection(ingress.port) as waiting:
                waiting.send(signed(config, b"{}"))
                eventually(
                    lambda: metric(ingress, "ingress_in_flight_requests") == 1, timeout_seconds=10, what="it waits"
                )
                with RawConnection(ingress.port) as idle:
                    assert idle.is_closed(), "a younger connection has reached its end meanwhile"
                broker.resume()
                assert waiting.receive().status == 200
        finally:
            broker.resume()


def gapless(publisher: Publisher) -> KafkaSettings:
    """Settings of a producer for which a refused record is a fatal error."""
    return publisher.settings.kafka.model_copy(update={"properties": GAPLESS})


async def test_outputs_of_the_processors_fail_at_a_fatal_error_instead_of_waiting_for_ever(
    publisher: Publisher,
) -> None:
    processors = OutputPublisher(gapless(publisher), client_id="test", ack_timeout_seconds=60)
    for _ in range(2):
        outputs = Outputs()
        outputs.send(RECEIVED, key=b"k", value=refused_body())
        with pytest.raises(KafkaUnavailableError):
            await asyncio.wait_for(processors.publish(outputs), timeout=20)
    assert processors.fatal_error
    processors.close()


def test_an_outbox_fails_at_a_fatal_error_and_its_producer_says_so(publisher: Publisher) -> None:
    producer = PolledProducer(gapless(publisher), client_id="test", ack_timeout_seconds=60)
    outbox = Outbox(producer)
    outbox.send(RECEIVED, key=b"k", value=refused_body())
    with pytest.raises(KafkaUnavailableError):
        outbox.wait(20)
    eventually(lambda: producer.fatal_error, timeout_seconds=10, what="the fatal error to be told")
    with pytest.raises(KafkaUnavailableError):
        producer.produce(RECEIVED, key=b"k", value=b"small")
    producer.close(1)
