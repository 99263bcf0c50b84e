"""The real receiver against a real broker: every row of the contract's table, and exact bytes in Kafka."""

import json
import math
import time
import uuid

import pytest

from infra.topics import EXPEDITED, RECEIVED
from schemas.headers import decode
from schemas.keys import request_key
from schemas.records import RejectionRecord, RequestFacts
from tests.support.ingress import (
    SECRET,
    Publisher,
    RawConnection,
    RunningIngress,
    Watcher,
    await_status,
    headers_of,
    signature_of,
    signed,
)
from tests.support.wait import eventually

BODY = b'{ "alert": {"id": "a-1",  "title":"D\xc3\xadsk"} }\n'
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#: Rejections written down of one reason, address and webhook, where nothing else is said.
RECORDS_PER_SECOND = 5
ON_ALERT_ID = {"type": "jsonata", "value": "alert.id"}


def test_an_accepted_request_is_in_kafka_byte_for_byte(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher
) -> None:
    config = tenant.publish(tenant.webhook(idempotency_source=ON_ALERT_ID, version=7))
    lines = (
        "Content-Type: application/json",
        "User-Agent: test/1",
        "X-Event: püsh",
        "X-Api-Key: no",
        "Cookie: no",
        f"Traceparent: {TRACEPARENT}",
    )
    raw = signed(config, BODY, *lines).replace(b" HTTP/1.1", b"?a=1&token=no HTTP/1.1", 1)
    answer = await_status(ingress, raw, 200)
    delivery_id = answer.json["delivery_id"]
    assert answer.json == {"delivery_id": delivery_id}
    assert answer.headers["x-delivery-id"] == delivery_id
    assert answer.headers["content-type"] == "application/json"
    assert uuid.UUID(delivery_id).version == 7

    message = watcher.delivery(delivery_id)
    assert message.topic() == RECEIVED
    assert message.value() == BODY
    assert message.key() == request_key(config.tenant_id, config.webhook_id, "a-1")
    headers = decode(message.headers())
    assert message.timestamp()[1] == headers.received_at_us // 1_000
    assert (headers.tenant_id, headers.webhook_id) == (config.tenant_id, config.webhook_id)
    assert (headers.config_version, headers.dedupe_key) == (7, "a-1")
    assert headers.traceparent is not None
    assert headers.traceparent.startswith(TRACEPARENT[:36])
    assert headers.traceparent[36:52] != TRACEPARENT[36:52]
    facts = RequestFacts.model_validate_json(headers.request)
    assert (facts.method, facts.path, facts.query) == ("POST", f"/api/inbound/{config.tenant_slug}/alerts", {"a": "1"})
    assert facts.headers["x-event"] == "püsh"
    assert {"x-api-key", "cookie", "x-signature"}.isdisjoint(facts.headers)
    assert (facts.source_ip, facts.user_agent, facts.content_type) == ("127.0.0.1", "test/1", "application/json")
    assert not facts.invalid_json


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_the_three_methods_deliver(ingress: RunningIngress, tenant: Publisher, method: str) -> None:
    config = tenant.publish(tenant.webhook())
    await_status(ingress, signed(config, b"{}", method=method), 200)


@pytest.mark.parametrize("priority", [2, 3])
def test_high_priorities_go_to_the_expedited_topic(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher, priority: int
) -> None:
    config = tenant.publish(tenant.webhook(priority=priority))
    answer = await_status(ingress, signed(config, b"{}"), 200)
    assert watcher.delivery(answer.json["delivery_id"]).topic() == EXPEDITED


@pytest.mark.parametrize(
    "body", [b"", b"null", b"5", b'"text"', b"[1,2]", b"true", b"\xef\xbb\xbf{}"], ids=lambda body: repr(body)
)
def test_any_json_value_is_accepted(ingress: RunningIngress, tenant: Publisher, watcher: Watcher, body: bytes) -> None:
    config = tenant.publish(tenant.webhook())
    answer = await_status(ingress, signed(config, body), 200)
    assert (watcher.delivery(answer.json["delivery_id"]).value() or b"") == body


def test_a_form_is_accepted_and_kept_as_it_came(ingress: RunningIngress, tenant: Publisher, watcher: Watcher) -> None:
    config = tenant.publish(tenant.webhook(idempotency_source={"type": "jsonata", "value": "id"}))
    raw = signed(config, b"id=f%201&x=", "content-type: application/x-www-form-urlencoded")
    message = watcher.delivery(await_status(ingress, raw, 200).json["delivery_id"])
    assert message.value() == b"id=f%201&x="
    assert decode(message.headers()).dedupe_key == "f 1"


def test_what_is_not_json_is_kept_and_answered_400(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher
) -> None:
    config = tenant.publish(tenant.webhook(idempotency_source=ON_ALERT_ID))
    answer = await_status(ingress, signed(config, b"{not json"), 400)
    assert answer.json == {"delivery_id": answer.headers["x-delivery-id"], "error": "invalid_json"}
    message = watcher.delivery(answer.json["delivery_id"])
    assert message.value() == b"{not json"
    assert RequestFacts.model_validate_json(decode(message.headers()).request).invalid_json
    assert decode(message.headers()).dedupe_key is None


def test_a_request_without_its_key_is_accepted_without_dedupe(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher
) -> None:
    config = tenant.publish(tenant.webhook(idempotency_source=ON_ALERT_ID))
    delivery_id = await_status(ingress, signed(config, b"{}"), 200).json["delivery_id"]
    message = watcher.delivery(delivery_id)
    assert "hookline-dedupe-key" not in headers_of(message)
    assert message.key() == request_key(config.tenant_id, config.webhook_id, delivery_id)


def test_an_ordering_key_decides_the_record_key_and_not_the_dedupe_key(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher
) -> None:
    config = tenant.publish(tenant.webhook(idempotency_source=ON_ALERT_ID, ordering_key="alert.host & '!'"))
    raw = signed(config, b'{"alert":{"id":"a-1","host":"h"}}')
    message = watcher.delivery(await_status(ingress, raw, 200).json["delivery_id"])
    assert message.key() == request_key(config.tenant_id, config.webhook_id, "h!")
    assert decode(message.headers()).dedupe_key == "a-1"


def test_a_key_expression_that_fails_or_runs_away_costs_the_key_only(
    ingress: RunningIngress, tenant: Publisher
) -> None:
    runaway = "($f := function($n){$f($n+1)}; $f(1))"
    for number, expression in enumerate(["$number('x')", runaway, "this does not ( compile"]):
        source = {"type": "jsonata", "value": expression}
        config = tenant.publish(tenant.webhook(f"w{number}", idempotency_source=source))
        await_status(ingress, signed(config, b"{}"), 200)


def unauthorized(ingress: RunningIngress, tenant: Publisher) -> dict[str, bytes]:
    """The raw answer to each kind of request that proves nothing."""
    good = tenant.publish(tenant.webhook("good"))
    disabled = tenant.publish(tenant.webhook("disabled", is_active=False))
    await_status(ingress, signed(good, BODY), 200)
    nobody = good.model_copy(update={"slug": "unknown"})
    stranger = good.model_copy(update={"tenant_slug": "unknown"})
    proof = f"x-signature: sha256={signature_of(BODY)}\r\n".encode()
    requests = {
        "unknown tenant": signed(stranger, BODY),
        "unknown slug": signed(nobody, BODY),
        "no slug": signed(good, BODY).replace(b"/good ", b" "),
        "disabled": signed(disabled, BODY),
        "bad proof": signed(good, BODY, secret="x" * 16),
        "missing proof": signed(good, BODY).replace(proof, b""),
        "get": signed(good, BODY, method="GET"),
        "head": signed(good, BODY, method="HEAD"),
    }
    return {name: ingress.send(raw).raw for name, raw in requests.items()}


def test_every_401_is_the_same_bytes(ingress: RunningIngress, tenant: Publisher) -> None:
    answers = unauthorized(ingress, tenant)
    assert set(answers.values()) == {b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0"}, answers


def test_a_rejection_is_written_down_without_body_query_or_proof(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher
) -> None:
    config = tenant.publish(tenant.webhook())
    await_status(ingress, signed(config, BODY), 200)
    raw = signed(config, BODY, "user-agent: test/2", "x-event: e", secret="x" * 16)
    assert ingress.send(raw.replace(b" HTTP/1.1", b"?token=abc HTTP/1.1", 1)).status == 401
    [record] = eventually(
        lambda: watcher.rejections(webhook_id=config.webhook_id), timeout_seconds=10, what="the rejection"
    )
    parsed = RejectionRecord.model_validate(record)
    assert (parsed.reason, parsed.tenant_id, parsed.count) == ("rejected_signature", config.tenant_id, 1)
    assert (parsed.method, parsed.path) == ("POST", f"/api/inbound/{config.tenant_slug}/alerts")
    assert (parsed.source_ip, parsed.user_agent) == ("127.0.0.1", "test/2")
    assert parsed.headers["x-event"] == "e"
    assert "x-signature" not in parsed.headers
    assert "token" not in json.dumps(record)
    assert not watcher.requests(config)[1:], "only the accepted one is a request"


def test_a_flood_of_rejections_is_folded_into_counts(
    ingress: RunningIngress, tenant: Publisher, watcher: Watcher
) -> None:
    config = tenant.publish(tenant.webhook())
    await_status(ingress, signed(config, BODY), 200)
    bad, began = signed(config, BODY, secret="x" * 16), time.monotonic()
    with RawConnection(ingress.port) as connection:
        for _ in range(200):
            connection.send(bad)
            assert connection.receive().status == 401
    seconds = math.ceil(time.monotonic() - began) + 1

    def counted() -> list[dict[str, object]] | None:
        records = watcher.rejections(webhook_id=config.webhook_id)
        return records if sum(record["count"] for record in records) == 200 else None

    records = eventually(counted, timeout_seconds=10, what="200 rejections accounted for")
    assert records is not None
    assert len(records) <= seconds * (RECORDS_PER_SECOND + 1), "so many of a second, and one for the rest"


def test_headers_over_16_kib_are_answered_431_and_just_under_are_read(
    ingress: RunningIngress, tenant: Publisher
) -> None:
    config = tenant.publish(tenant.webhook())
    await_status(ingress, signed(config, b"{}"), 200)
    bare = len(signed(config, b"{}", "x-pad: ")) - 2
    assert ingress.send(signed(config, b"{}", "x-pad: " + "p" * (16_384 - bare))).status == 200
    answer = ingress.send(signed(config, b"{}", "x-pad: " + "p" * (16_385 - bare)))
    assert (answer.status, answer.body) == (431, b"")


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_answered_405_with_allow(ingress: RunningIngress, tenant: Publisher, method: str) -> None:
    config = tenant.publish(tenant.webhook())
    answer = ingress.send(signed(config, b"", method=method))
    assert (answer.status, answer.body) == (405, b"")
    assert answer.headers["allow"] == "POST, PUT, PATCH"


def test_a_malformed_request_is_answered_400_and_the_connection_ends(ingress: RunningIngress) -> None:
    with RawConnection(ingress.port) as connection:
        connection.send(
            b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
        )
        assert connection.receive().status == 400
        assert connection.is_closed()


def test_over_the_rate_is_answered_429_with_the_limits(ingress: RunningIngress, tenant: Publisher) -> None:
    config = tenant.publish(tenant.webhook(rate_limit_per_minute=3))
    await_status(ingress, signed(config, b"{}"), 200)
    answers = [ingress.send(signed(config, b"{}")) for _ in range(4)]
    assert [answer.status for answer in answers][:2] == [200, 200]
    last = answers[-1]
    assert (last.status, last.json) == (429, {"error": "rate_limited"})
    assert 1 <= int(last.headers["retry-after"]) <= 20
    assert last.headers["ratelimit-limit"] == "3"
    assert last.headers["ratelimit-remaining"] == "0"
    assert int(last.headers["ratelimit-reset"]) >= int(last.headers["retry-after"])
    assert ingress.send(signed(config, b"{}", secret="x" * 16)).status == 401, "who proves nothing learns nothing"


def test_requests_on_one_connection_are_answered_in_order(ingress: RunningIngress, tenant: Publisher) -> None:
    config = tenant.publish(tenant.webhook())
    await_status(ingress, signed(config, b"{}"), 200)
    with RawConnection(ingress.port) as connection:
        connection.send(signed(config, b"{}") + signed(config, b"{") + signed(config, b"{}", secret="x" * 16))
        assert [connection.receive().status for _ in range(3)] == [200, 400, 401]
        connection.send(signed(config, b"{}", "connection: close"))
        assert connection.receive().headers["connection"] == "close"
        assert connection.is_closed()


def test_a_changed_webhook_is_in_force_without_a_restart(ingress: RunningIngress, tenant: Publisher) -> None:
    config = tenant.publish(tenant.webhook())
    raw = signed(config, b"{}")
    await_status(ingress, raw, 200)
    old, new = tenant.seal(config.webhook_id), tenant.seal(config.webhook_id, "another secret, long enough")
    rotated = tenant.webhook(webhook_id=config.webhook_id, secrets=[new], version=2)
    tenant.publish(rotated)
    await_status(ingress, raw, 401)
    both = tenant.webhook(webhook_id=config.webhook_id, secrets=[new, old], version=3)
    tenant.publish(both)
    await_status(ingress, raw, 200)
    assert ingress.send(signed(config, b"{}", secret="another secret, long enough")).status == 200
    tenant.publish(both.model_copy(update={"is_active": False, "version": 4}))
    await_status(ingress, raw, 401)
    renamed = tenant.publish(both.model_copy(update={"slug": "renamed", "version": 5}))
    await_status(ingress, signed(renamed, b"{}"), 200)
    assert ingress.send(raw).status == 401
    tenant.delete(renamed)
    await_status(ingress, signed(renamed, b"{}"), 401)


def test_a_secret_past_its_end_proves_nothing(ingress: RunningIngress, tenant: Publisher) -> None:
    webhook_id = str(uuid.uuid4())
    over = tenant.seal(webhook_id, valid_until_us=1)
    current = tenant.seal(webhook_id, "another secret, long enough")
    config = tenant.publish(tenant.webhook(webhook_id=webhook_id, secrets=[current, over]))
    await_status(ingress, signed(config, b"{}", secret="another secret, long enough"), 200)
    assert ingress.send(signed(config, b"{}", secret=SECRET)).status == 401


def test_health_and_metrics_are_served_on_the_same_port(ingress: RunningIngress, tenant: Publisher) -> None:
    config = tenant.publish(tenant.webhook())
    await_status(ingress, signed(config, b"{}"), 200)
    assert ingress.get("/healthz").json == {"status": "alive"}
    status, ready = ingress.readiness()
    assert status == 200
    assert [(part["name"], part["ready"], part["reasons"]) for part in ready["parts"]] == [("ingress", True, [])]
    metrics = ingress.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert b'hookline_ingress_requests_total{outcome="accepted"}' in metrics.body
    assert b"hookline_ingress_answer_seconds_bucket" in metrics.body
    assert ingress.get("/nothing").status == 404
    with RawConnection(ingress.port) as connection:
        connection.send(b"HEAD /healthz HTTP/1.1\r\nhost: a\r\n\r\n" + b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        head = connection._until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 405") or b"content-length" in head
        assert connection.receive().json == {"status": "alive"}
