"""Senders as data, handshakes, signed ids and signed URLs, through the real HTTP edge."""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks.webhooks import Webhook as ForeignWebhook

from hookline.embedded.kafka import KafkaBroker
from infra.clock import now_us
from infra.proofs.handshakes import handshake_token
from schemas.headers import decode
from schemas.keys import request_key
from schemas.records import RequestFacts
from schemas.webhooks import WebhookConfig
from tests.support.ingress import (
    SECRET,
    HttpAnswer,
    Publisher,
    RawConnection,
    RunningIngress,
    Watcher,
    await_status,
    headers_of,
    running_ingress,
    signed,
)
from tests.support.wait import eventually

WHSEC = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
BODY = b'{"alert":{"id":"a-1"}}'


@pytest.fixture(scope="module")
def ingress(kafka: KafkaBroker, publisher: Publisher) -> Iterator[RunningIngress]:
    """A receiver behind a proxy on this machine."""
    with running_ingress(kafka.bootstrap, trusted_proxies="127.0.0.0/8") as running:
        yield running


def request(config: WebhookConfig, body: bytes, *lines: str, method: str = "POST", query: str = "") -> bytes:
    path = f"/api/inbound/{config.tenant_slug}/{config.slug}{query}"
    head = [f"{method} {path} HTTP/1.1", "host: hooks.example.com", f"content-length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def preset(tenant: Publisher, name: str, secret: str = SECRET, **config: Any) -> WebhookConfig:
    webhook_id = str(uuid.uuid4())
    return tenant.publish(
        tenant.webhook(
            name,
            webhook_id=webhook_id,
            auth={"type": "preset", "preset": name},
            secrets=[tenant.seal(webhook_id, secret)],
            **config,
        )
    )


def greeted(answer: HttpAnswer, content_type: str, body: bytes) -> None:
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, content_type, body)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "x-delivery-id" not in answer.headers


def test_a_sender_that_asks_before_it_signs_is_answered_by_its_token(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher
) -> None:
    config = preset(tenant, "meta")
    query = f"?hub.mode=subscribe&hub.challenge=%3Cb%3E115&hub.verify_token={handshake_token(SECRET)}"
    asking = request(config, b"", method="GET", query=query)
    greeted(await_status(ingress, asking, 200), "text/plain; charset=utf-8", b"<b>115")
    for wrong in (
        request(config, b"", method="GET", query=query[:-1]),
        request(config, b"", method="GET"),
        request(config, b"", query=query),
        asking.replace(b"/meta?", b"/metb?"),
    ):
        assert ingress.send(wrong).status == 401
    assert b'hookline_ingress_requests_total{outcome="handshake"}' in metrics_with_handshakes(ingress)
    tenant.publish(config.model_copy(update={"is_active": False, "version": 2}))
    await_status(ingress, asking, 401)
    assert not watcher.requests(config), "a handshake is no delivery"


def metrics_with_handshakes(ingress: RunningIngress) -> bytes:
    def body() -> bytes | None:
        found = ingress.get("/metrics").body
        return found if b'outcome="handshake"} 0.0' not in found else None

    found = eventually(body, timeout_seconds=5, what="a handshake in the metrics")
    assert found is not None
    return found


def test_a_get_with_a_body_is_read_within_the_cap(ingress: RunningIngress, tenant: Publisher) -> None:
    config = preset(tenant, "meta", max_body_bytes=100)
    query = f"?hub.mode=subscribe&hub.challenge=1&hub.verify_token={handshake_token(SECRET)}"
    await_status(ingress, request(config, b"x" * 100, method="GET", query=query), 200)
    with RawConnection(ingress.port) as connection:
        for _ in range(2):
            connection.send(request(config, b"x" * 100, method="GET", query=query))
            assert connection.receive().body == b"1", "and the next request is found behind it"
        connection.send(request(config, b"x" * 101, method="GET", query=query))
        assert connection.receive().status == 413


def test_an_event_of_a_sender_that_takes_no_body_is_answered_without_one(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher
) -> None:
    config = preset(tenant, "xero")

    def event(sequence: int) -> bytes:
        body = json.dumps({"events": [{"n": sequence}], "firstEventSequence": sequence, "entropy": "x"}).encode()
        digest = base64.b64encode(hmac.digest(SECRET.encode(), body, "sha256")).decode()
        return request(config, body, f"x-xero-signature: {digest}")

    await_status(ingress, event(1), 200)
    with RawConnection(ingress.port) as connection:
        for sequence in (2, 3):
            connection.send(event(sequence))
            answer = connection.receive()
            assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
            assert "content-type" not in answer.headers
            message = watcher.delivery(answer.headers["x-delivery-id"])
            assert headers_of(message)["hookline-webhook-id"] == config.webhook_id


def test_a_sender_that_signs_its_question_is_answered_only_then(ingress: RunningIngress, tenant: Publisher) -> None:
    config = preset(tenant, "slack")
    body = b'{"type":"url_verification","challenge":"c-1"}'
    at = now_us() // 1_000_000
    signature = hmac.new(SECRET.encode(), b"v0:%d:%s" % (at, body), "sha256").hexdigest()
    lines = (f"x-slack-request-timestamp: {at}", f"x-slack-signature: v0={signature}")
    greeted(await_status(ingress, request(config, body, *lines), 200), "text/plain; charset=utf-8", b"c-1")
    assert ingress.send(request(config, body)).status == 401


def test_a_question_may_be_answered_with_a_digest(ingress: RunningIngress, tenant: Publisher) -> None:
    config = preset(tenant, "zoom")
    body = b'{"event":"endpoint.url_validation","payload":{"plainToken":"p-1"}}'
    at = now_us() // 1_000_000
    signature = hmac.new(SECRET.encode(), b"v0:%d:%s" % (at, body), "sha256").hexdigest()
    lines = (f"x-zm-request-timestamp: {at}", f"x-zm-signature: v0={signature}")
    encrypted = hmac.new(SECRET.encode(), b"p-1", "sha256").hexdigest()
    answer = await_status(ingress, request(config, body, *lines), 200)
    greeted(
        answer,
        "application/json",
        json.dumps({"plainToken": "p-1", "encryptedToken": encrypted}, separators=(",", ":")).encode(),
    )


def test_what_is_echoed_is_plain_text(ingress: RunningIngress, tenant: Publisher) -> None:
    config = preset(tenant, "microsoft-graph")
    text = "<script>alert(1)</script>\r\nx-a: 1 é"
    answer = await_status(ingress, request(config, b"", query=f"?validationToken={quote(text)}"), 200)
    greeted(answer, "text/plain; charset=utf-8", text.encode())
    assert "x-a" not in answer.headers


def own_rule(**members: Any) -> dict[str, Any]:
    return {"methods": ["GET", "HEAD"], "proof": "none", "when": [{"source": "query.ping", "equals": "1"}], **members}


def test_a_webhooks_own_rule_works_beside_any_scheme_and_is_rate_limited(
    ingress: RunningIngress, tenant: Publisher
) -> None:
    config = tenant.publish(tenant.webhook(handshake=own_rule(text="pong"), rate_limit_per_minute=4))
    asking = request(config, b"", method="GET", query="?ping=1")
    greeted(await_status(ingress, asking, 200), "text/plain; charset=utf-8", b"pong")
    with RawConnection(ingress.port) as connection:
        connection.send(request(config, b"", method="HEAD", query="?ping=1") + asking)
        head = connection._until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert b"content-length: 4" in head
        assert connection.receive().body == b"pong", "nothing of a body came before"
    assert ingress.send(signed(config, BODY)).status == 200
    limited = ingress.send(asking)
    assert (limited.status, limited.headers["ratelimit-limit"]) == (429, "4")
    assert ingress.send(request(config, b"", method="GET", query="?ping=2")).status == 401


def test_an_answer_may_be_empty(ingress: RunningIngress, tenant: Publisher) -> None:
    for status in (200, 202, 204):
        config = tenant.publish(tenant.webhook(f"w{status}", handshake=own_rule(status=status)))
        asking = request(config, b"", method="GET", query="?ping=1")
        await_status(ingress, asking, status)
        with RawConnection(ingress.port) as connection:
            connection.send(asking + asking)
            answers = [connection.receive() for _ in range(2)]
        assert {answer.body for answer in answers} == {b""}
        assert ("content-length" in answers[0].headers) is (status != 204)


def standard(tenant: Publisher, slug: str = "standard", **config: Any) -> WebhookConfig:
    webhook_id = str(uuid.uuid4())
    return tenant.publish(
        tenant.webhook(
            slug,
            webhook_id=webhook_id,
            auth={"type": "standard_webhooks"},
            secrets=[tenant.seal(webhook_id, WHSEC)],
            **config,
        )
    )


def sent_by_library(config: WebhookConfig, event_id: str, body: bytes = BODY) -> bytes:
    """What the reference implementation sends."""
    at = datetime.now(UTC)
    signature = ForeignWebhook(WHSEC).sign(event_id, at, body.decode())
    lines = (f"webhook-id: {event_id}", f"webhook-timestamp: {int(at.timestamp())}", f"webhook-signature: {signature}")
    return request(config, body, *lines)


def test_a_signed_id_is_the_dedupe_key_where_there_is_no_other(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher
) -> None:
    plain = standard(tenant)
    keyed = standard(tenant, "keyed", idempotency_source={"type": "jsonata", "value": "alert.id"})
    await_status(ingress, sent_by_library(keyed, "msg_0"), 200)
    long_id = "msg_" + "x" * 600
    for config, event_id, body, key in (
        (plain, "msg_1", BODY, "msg_1"),
        (keyed, "msg_2", BODY, "a-1"),
        (keyed, "msg_3", b"{}", "msg_3"),
        (plain, long_id, BODY, f"sha256:{hashlib.sha256(long_id.encode()).hexdigest()}"),
    ):
        message = watcher.delivery(
            await_status(ingress, sent_by_library(config, event_id, body), 200).json["delivery_id"]
        )
        assert decode(message.headers()).dedupe_key == key
        assert message.key() == request_key(config.tenant_id, config.webhook_id, key)
        assert "webhook-signature" not in RequestFacts.model_validate_json(decode(message.headers()).request).headers


def test_a_request_signed_with_a_public_keys_other_half_is_taken(ingress: RunningIngress, tenant: Publisher) -> None:
    key = Ed25519PrivateKey.generate()
    public = f"whpk_{base64.b64encode(key.public_key().public_bytes_raw()).decode()}"
    config = tenant.publish(
        tenant.webhook("ed", auth={"type": "standard_webhooks", "public_key": public, "secrets": ()})
    )
    at = now_us() // 1_000_000
    signature = base64.b64encode(key.sign(b"msg_1.%d.%s" % (at, BODY))).decode()
    lines = ("webhook-id: msg_1", f"webhook-timestamp: {at}", f"webhook-signature: v1a,{signature}")
    await_status(ingress, request(config, BODY, *lines), 200)
    assert ingress.send(request(config, BODY + b" ", *lines)).status == 401


def twilio(config: WebhookConfig, base: str, *lines: str) -> bytes:
    """A form signed for a URL under `base`."""
    url = f"{base}/api/inbound/{config.tenant_slug}/{config.slug}"
    signature = base64.b64encode(hmac.new(SECRET.encode(), f"{url}Bodyhi".encode(), "sha1").digest()).decode()
    form = "content-type: application/x-www-form-urlencoded"
    return request(config, b"Body=hi", form, f"x-twilio-signature: {signature}", *lines)


def test_a_signed_url_is_the_one_the_proxy_was_asked_for(
    ingress: RunningIngress, tenant: Publisher, kafka: KafkaBroker
) -> None:
    config = preset(tenant, "twilio")
    outside, inside = "https://hooks.example.com", "http://hooks.example.com"
    answer = await_status(ingress, twilio(config, outside, "x-forwarded-proto: https"), 200)
    assert (answer.headers["content-type"], answer.body) == ("text/xml", b"<Response/>")
    assert answer.headers["x-delivery-id"]
    assert ingress.send(twilio(config, outside, "x-forwarded-proto: HTTPS, http")).status == 200
    assert ingress.send(twilio(config, inside)).status == 200
    assert ingress.send(twilio(config, outside)).status == 401
    with running_ingress(kafka.bootstrap, public_base_url="https://in.example.org:8443") as told:
        await_status(told, twilio(config, "https://in.example.org:8443"), 200)
        assert told.send(twilio(config, outside, "x-forwarded-proto: https")).status == 401
    with running_ingress(kafka.bootstrap) as direct:
        await_status(direct, twilio(config, inside), 200)
        assert direct.send(twilio(config, outside, "x-forwarded-proto: https")).status == 401, "anyone can say so"


@pytest.mark.parametrize(
    ("auth", "reason"),
    [
        ({"type": "preset", "preset": "not-yet-known"}, "unknown_preset"),
        ({"type": "standard_webhooks"}, "unusable_proof"),  # its secret is none of Standard Webhooks'
    ],
)
def test_a_proof_that_cannot_be_held_to_anything_here_is_a_503_and_never_a_401(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher, auth: dict[str, Any], reason: str
) -> None:
    webhook_id = str(uuid.uuid4())
    config = tenant.webhook(
        webhook_id=webhook_id,
        auth=auth,
        secrets=[tenant.seal(webhook_id)],
        handshake=own_rule(text="pong"),
    )
    tenant.publish(config)
    answer = await_status(ingress, signed(config, BODY), 503)
    assert (answer.json, "retry-after" in answer.headers) == ({"error": "unavailable"}, True)
    assert ingress.send(request(config, b"", method="GET", query="?ping=1")).status == 503
    with RawConnection(ingress.port) as connection:
        connection.send(request(config, b"", method="HEAD") + signed(config, BODY))
        assert connection._until(b"\r\n\r\n").startswith(b"HTTP/1.1 503")
        assert connection.receive().status == 503, "a HEAD has no body"
    records = eventually(
        lambda: watcher.rejections(webhook_id=webhook_id, reason=reason),
        timeout_seconds=10,
        what="the reason",
    )
    assert records is not None
    assert not {"x-signature"} & records[0]["headers"].keys()
    lines = [line for line in ingress.log.read_text().splitlines() if "ingress.proof.refused" in line]
    assert len([line for line in lines if webhook_id in line]) == 1
    tenant.publish(config.model_copy(update={"is_active": False, "version": 2}))
    await_status(ingress, signed(config, BODY), 401)


def test_redacted_paths_travel_with_the_request_and_the_body_does_not_change(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher
) -> None:
    config = tenant.publish(tenant.webhook(redact_paths=["$.alert.id"]))
    message = watcher.delivery(await_status(ingress, signed(config, BODY), 200).json["delivery_id"])
    assert json.loads(headers_of(message)["hookline-request"])["redact_paths"] == ["$.alert.id"]
    assert message.value() == BODY
