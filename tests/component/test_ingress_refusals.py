"""Refusals at the real receiver: their pace on a connection, and addresses from which too many proofs have failed."""

import itertools
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from hookline.embedded.kafka import KafkaBroker
from schemas.webhooks import WebhookConfig
from tests.support.ingress import (
    HttpAnswer,
    Publisher,
    RawConnection,
    RunningIngress,
    Watcher,
    await_status,
    running_ingress,
    signed,
)
from tests.support.wait import eventually

PACE_SECONDS = 0.2
#: So few that an address which has failed so often may not try again within a test that does not wait for it.
FAILURES = 10
WRONG = "x" * 16
UNAUTHORIZED = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0"
_addresses = (f"198.51.{number >> 8}.{number & 255}" for number in itertools.count())


@pytest.fixture(scope="module")
def ingress(kafka: KafkaBroker, publisher: Publisher) -> Iterator[RunningIngress]:
    """A receiver behind a proxy on this machine, whose refusals take their time and are soon too many."""
    with running_ingress(
        kafka.bootstrap,
        refusal_pace_milliseconds=int(PACE_SECONDS * 1_000),
        failed_proofs_per_minute=FAILURES,
        trusted_proxies="127.0.0.0/8",
    ) as running:
        yield running


@pytest.fixture
def address() -> str:
    """An address that has sent nothing yet."""
    return next(_addresses)


def sent(config: WebhookConfig, address: str, *, secret: str | None = None, method: str = "POST") -> bytes:
    """A request from an address; `secret` is a wrong one."""
    lines = (f"x-forwarded-for: {address}",)
    return signed(config, b"{}", *lines, method=method, **({} if secret is None else {"secret": secret}))


def published(ingress: RunningIngress, tenant: Publisher, slug: str = "alerts") -> WebhookConfig:
    """A webhook that the receiver knows; its last request came from an address of its own."""
    config = tenant.publish(tenant.webhook(slug))
    eventually(
        lambda: ingress.send(sent(config, next(_addresses))).status == 200, timeout_seconds=10, what="the webhook"
    )
    return config


def exhausted(ingress: RunningIngress, config: WebhookConfig, address: str) -> None:
    """Fail as often as the address may, at once."""
    with ExitStack() as stack:
        connections = [stack.enter_context(RawConnection(ingress.port)) for _ in range(FAILURES)]
        for connection in connections:
            connection.send(sent(config, address, secret=WRONG))
        assert {connection.receive().status for connection in connections} == {401}


def test_a_401_takes_its_time_and_what_follows_on_the_connection_waits(
    ingress: RunningIngress, tenant: Publisher, address: str
) -> None:
    config = published(ingress, tenant)
    bad, good = sent(config, address, secret=WRONG), sent(config, address)
    with RawConnection(ingress.port) as connection:
        began = time.monotonic()
        connection.send(bad + good + bad)
        answers = []
        for _ in range(3):
            answer = connection.receive()
            answers.append((answer.status, time.monotonic() - began))
    assert [status for status, _ in answers] == [401, 200, 401]
    (_, first), _, (_, third) = answers
    assert first >= PACE_SECONDS
    assert third >= 2 * PACE_SECONDS, "the second 401 waited for its own time"


def test_a_sender_that_has_closed_its_half_gets_every_answer(
    ingress: RunningIngress, tenant: Publisher, address: str
) -> None:
    config = published(ingress, tenant)
    bad, good = sent(config, address, secret=WRONG), sent(config, address)
    for requests, statuses in ([bad], [401]), ([bad, good], [401, 200]), ([good, bad], [200, 401]):
        with RawConnection(ingress.port) as connection:
            connection.send(b"".join(requests) + b"POST /api/inbound/cut")
            connection.socket.shutdown(socket.SHUT_WR)
            assert [connection.receive().status for _ in statuses] == statuses
            assert connection.is_closed()


def test_a_sender_that_does_not_wait_keeps_nobody_else_from_an_answer(
    ingress: RunningIngress, tenant: Publisher, address: str
) -> None:
    config = published(ingress, tenant)
    with RawConnection(ingress.port) as patient:
        for _ in range(2):
            with RawConnection(ingress.port) as gone:
                gone.send(sent(config, address, secret=WRONG))
        patient.send(sent(config, address, secret=WRONG))
        assert patient.receive().raw == UNAUTHORIZED
    assert ingress.get("/healthz").status == 200


def test_a_stop_waits_for_the_refusals_that_are_held(kafka: KafkaBroker, tenant: Publisher) -> None:
    with running_ingress(kafka.bootstrap, refusal_pace_milliseconds=1_000) as ingress:
        config = tenant.publish(tenant.webhook())
        await_status(ingress, signed(config, b"{}"), 200, timeout_seconds=20)
        with RawConnection(ingress.port) as idle, RawConnection(ingress.port) as held:
            began = time.monotonic()
            held.send(signed(config, b"{}", secret=WRONG))
            held.send(signed(config, b"{}")[:40])
            assert ingress.get("/healthz").status == 200, "the refusal before this one has been decided"
            ingress.process.terminate()
            assert idle.is_closed()
            answer = held.receive()
            assert (answer.status, answer.headers["connection"]) == (401, "close")
            assert time.monotonic() - began >= 1.0
            assert held.is_closed()
        assert ingress.process.wait(20) == 0


def test_an_address_that_failed_too_often_learns_the_same_wherever_it_sends(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher, address: str
) -> None:
    config, other = published(ingress, tenant), published(ingress, tenant, "other")
    exhausted(ingress, config, address)
    unknown = config.model_copy(update={"slug": "unknown"})
    requests = [
        *(sent(config, address, secret=WRONG), sent(config, address), sent(other, address), sent(unknown, address)),
        *(sent(config, address, method="GET"), sent(unknown, address, method="GET")),
    ]
    began = time.monotonic()
    with RawConnection(ingress.port) as connection:
        connection.send(b"".join(requests))
        answers = [connection.receive() for _ in requests]
    assert time.monotonic() - began >= PACE_SECONDS * len(requests) - 0.1, "as late as any refusal"
    held_back(answers)
    assert ingress.send(sent(config, next(_addresses))).status == 200, "another address is not concerned"
    assert ingress.send(sent(config, next(_addresses), secret=WRONG)).status == 401
    eventually(
        lambda: (
            {record["webhook_id"] for record in watcher.rejections(reason="address_limited", source_ip=address)}
            == {config.webhook_id, other.webhook_id, None}
        ),
        timeout_seconds=10,
        what="the rejections",
    )
    assert b'hookline_ingress_requests_total{outcome="address_limited"}' in ingress.get("/metrics").body


def held_back(answers: list[HttpAnswer]) -> None:
    """All of them say the same; they may come as the second in `Retry-After` changes."""
    assert {(answer.status, answer.body) for answer in answers} == {(429, b'{"error":"rate_limited"}')}
    assert {frozenset(answer.headers) for answer in answers} == {
        frozenset({"date", "retry-after", "content-type", "content-length"})
    }
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 // FAILURES for answer in answers)


def test_where_an_address_has_proved_itself_it_is_still_verified(
    ingress: RunningIngress, tenant: Publisher, address: str
) -> None:
    good, wrong = published(ingress, tenant, "good"), published(ingress, tenant, "wrong")
    assert ingress.send(sent(good, address)).status == 200
    exhausted(ingress, wrong, address)
    assert ingress.send(sent(good, address)).status == 200
    held_back([ingress.send(sent(good, address, secret=WRONG)), ingress.send(sent(wrong, address))])
    tenant.publish(good.model_copy(update={"is_active": False, "version": 2}))
    eventually(lambda: ingress.send(sent(good, address)).status == 429, timeout_seconds=10, what="it to be off")


def test_an_address_may_try_again_after_the_time_it_was_told(
    ingress: RunningIngress, tenant: Publisher, address: str
) -> None:
    config = published(ingress, tenant)
    exhausted(ingress, config, address)
    refused = ingress.send(sent(config, address))
    assert refused.status == 429
    await_status(ingress, sent(config, address), 200, timeout_seconds=60 / FAILURES + 20)
