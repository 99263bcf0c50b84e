"""Deadlines of a connection: idle ones end without a word, slow senders are told 408 however busy they look."""

import itertools
import select
from collections.abc import Iterable, Iterator

import pytest

from hookline.embedded.kafka import KafkaBroker
from tests.support.ingress import (
    HttpAnswer,
    Publisher,
    RawConnection,
    RunningIngress,
    await_status,
    running_ingress,
    signed,
)

TRICKLE_SECONDS = 0.02
TRICKLE_PARTS_MAX = 1_000


@pytest.fixture(scope="module")
def ingress(kafka: KafkaBroker, publisher: Publisher) -> Iterator[RunningIngress]:
    """A receiver whose deadlines are soon."""
    with running_ingress(kafka.bootstrap, idle_timeout_seconds=0.5, body_timeout_seconds=1.0) as running:
        yield running


def trickle(connection: RawConnection, parts: Iterable[bytes]) -> HttpAnswer:
    """Send part after part, each well within any deadline, until there is an answer."""
    for part in itertools.islice(parts, TRICKLE_PARTS_MAX):
        connection.send(part)
        if select.select([connection.socket], [], [], TRICKLE_SECONDS)[0]:
            return connection.receive()
    raise AssertionError(f"no answer after {TRICKLE_PARTS_MAX} parts")


def slow_answer(ingress: RunningIngress, begun: bytes, parts: Iterable[bytes]) -> HttpAnswer:
    """What a request that was begun and goes on too slowly is told; its connection ends with that."""
    with RawConnection(ingress.port) as connection:
        connection.send(begun)
        answer = trickle(connection, parts)
        assert connection.is_closed()
    return answer


def test_a_connection_that_says_nothing_is_closed_without_an_answer(ingress: RunningIngress) -> None:
    with RawConnection(ingress.port) as connection:
        assert connection.is_closed()


def test_a_kept_connection_is_closed_when_no_next_request_comes(ingress: RunningIngress, tenant: Publisher) -> None:
    config = tenant.publish(tenant.webhook())
    await_status(ingress, signed(config, b"{}"), 200)
    with RawConnection(ingress.port) as connection:
        for _ in range(2):
            connection.send(signed(config, b"{}"))
            answer = connection.receive()
            assert answer.status == 200
            assert "connection" not in answer.headers, "it is kept"
        assert connection.is_closed()


def test_a_head_that_trickles_is_answered_408_at_the_deadline(ingress: RunningIngress) -> None:
    answer = slow_answer(ingress, b"POST /api/inbound/x/y HTTP/1.1\r\nx-slow: ", itertools.repeat(b"s"))
    assert (answer.status, answer.body, answer.headers["connection"]) == (408, b"", "close")


def test_a_body_that_trickles_is_answered_408_at_the_deadline(ingress: RunningIngress, tenant: Publisher) -> None:
    config = tenant.publish(tenant.webhook())
    await_status(ingress, signed(config, b"{}"), 200)
    head = signed(config, b" " * 2 * TRICKLE_PARTS_MAX).partition(b"\r\n\r\n")[0]
    answer = slow_answer(ingress, head + b"\r\n\r\n", itertools.repeat(b" "))
    assert (answer.status, answer.body, answer.headers["connection"]) == (408, b"", "close")


def test_chunks_that_trickle_are_answered_408_at_the_deadline(ingress: RunningIngress, tenant: Publisher) -> None:
    config = tenant.publish(tenant.webhook())
    await_status(ingress, signed(config, b"{}"), 200)
    head = signed(config, b"").partition(b"\r\n\r\n")[0].replace(b"content-length: 0", b"transfer-encoding: chunked")
    answer = slow_answer(ingress, head + b"\r\n\r\n", itertools.repeat(b"1\r\n \r\n"))
    assert (answer.status, answer.body) == (408, b"")


def test_a_slow_body_for_the_probes_is_answered_408_too(ingress: RunningIngress) -> None:
    with RawConnection(ingress.port) as connection:
        connection.send(b"GET /healthz HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\n123")
        assert connection.receive().status == 408
        assert connection.is_closed()
