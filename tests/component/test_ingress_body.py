"""Bodies at the real receiver: caps, chunks, slow senders."""

import pytest

from schemas.headers import decode
from schemas.records import RequestFacts
from tests.support.hostile_bodies import REFUSED
from tests.support.ingress import (
    Publisher,
    RawConnection,
    RunningIngress,
    Watcher,
    await_status,
    signed,
)

BODY = b'{ "alert": {"id": "a-1"} }\n'


def test_a_body_over_the_cap_is_refused_by_its_announced_length(ingress: RunningIngress, tenant: Publisher) -> None:
    config = tenant.publish(tenant.webhook(max_body_bytes=100))
    await_status(ingress, signed(config, b"[" + b" " * 98 + b"]"), 200)
    with RawConnection(ingress.port) as connection:
        head = signed(config, b"").replace(b"content-length: 0", b"content-length: 101")
        connection.send(head)
        answer = connection.receive()
        assert (answer.status, answer.json) == (413, {"error": "body_too_large"})
        assert answer.headers["connection"] == "close"
        assert connection.is_closed()


def chunked(config: object, *chunks: bytes) -> bytes:
    raw = signed(config, b"".join(chunks))  # type: ignore[arg-type]
    head = raw[: raw.index(b"\r\n\r\n") + 4]
    length = b"content-length: %d" % sum(map(len, chunks))
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head.replace(length, b"transfer-encoding: chunked") + body


def test_a_chunked_body_is_accepted_and_joined(ingress: RunningIngress, tenant: Publisher, watcher: Watcher) -> None:
    config = tenant.publish(tenant.webhook())
    answer = await_status(ingress, chunked(config, b'{"a":', b" 1}") + b"0\r\n\r\n", 200)
    assert watcher.delivery(answer.json["delivery_id"]).value() == b'{"a": 1}'


def test_a_chunked_body_over_the_cap_is_refused_while_it_streams(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher
) -> None:
    config = tenant.publish(tenant.webhook(max_body_bytes=100))
    await_status(ingress, signed(config, b"{}"), 200)
    with RawConnection(ingress.port) as connection:
        connection.send(chunked(config, b"[" + b" " * 60, b" " * 60))
        answer = connection.receive()
    assert (answer.status, answer.json) == (413, {"error": "body_too_large"})
    assert len(watcher.requests(config)) <= 1, "nothing cut short was accepted"


def test_a_large_body_within_the_cap_arrives_whole(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher
) -> None:
    config = tenant.publish(tenant.webhook(max_body_bytes=8_000_000))
    body = b'"' + b"x" * 5_000_000 + b'"'
    await_status(ingress, signed(config, b"{}"), 200)  # before the webhook is known the cap is another one
    answer = ingress.send(signed(config, body))
    assert answer.status == 200
    assert watcher.delivery(answer.json["delivery_id"]).value() == body


@pytest.mark.parametrize("name", ["opening brackets", "many arrays", "digits"])
def test_a_body_made_to_cost_much_is_answered_400_and_kept(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher, name: str
) -> None:
    config = tenant.publish(tenant.webhook(idempotency_source={"type": "jsonata", "value": "alert.id & '!'"}))
    answer = await_status(ingress, signed(config, REFUSED[name]), 400)
    assert answer.json == {"delivery_id": answer.headers["x-delivery-id"], "error": "invalid_json"}
    message = watcher.delivery(answer.json["delivery_id"])
    assert message.value() == REFUSED[name]
    assert RequestFacts.model_validate_json(decode(message.headers()).request).invalid_json


def test_a_sender_that_waits_for_100_continue_is_told_to_go_on(ingress: RunningIngress, tenant: Publisher) -> None:
    config = tenant.publish(tenant.webhook())
    await_status(ingress, signed(config, b"{}"), 200)
    head, _, body = signed(config, BODY, "Expect: 100-continue").partition(b"\r\n\r\n")
    with RawConnection(ingress.port) as connection:
        connection.send(head + b"\r\n\r\n")
        assert connection.receive().status == 100
        connection.send(body)
        assert connection.receive().status == 200


def test_a_body_slower_than_the_deadline_is_answered_408(ingress: RunningIngress, tenant: Publisher) -> None:
    config = tenant.publish(tenant.webhook())
    await_status(ingress, signed(config, BODY), 200)
    with RawConnection(ingress.port) as connection:
        connection.send(signed(config, BODY)[:-5])
        answer = connection.receive()
        assert (answer.status, answer.body) == (408, b"")
        assert connection.is_closed()


def test_a_head_slower_than_the_deadline_is_answered_408(ingress: RunningIngress) -> None:
    with RawConnection(ingress.port) as connection:
        connection.send(b"POST /api/inbound/x/y HTTP/1.1\r\nhos")
        assert connection.receive().status == 408
