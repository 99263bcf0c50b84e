"""A test is the record that the receiver would have written for the same request, but for its mark."""

from __future__ import annotations

from typing import Any

import orjson

from infra.ids import uuid7_text
from infra.requests.headers import StoredHeaders
from infra.topics import EXPEDITED, RECEIVED
from ingress.core.facts import request_facts
from ingress.core.http1 import Head
from management.webhook_tests.records import RawRecord, TriedRequest, raw_record, work_out
from schemas.headers import encode
from schemas.keys import request_key
from schemas.records import RequestFacts
from schemas.webhooks import ApiKeyAuth, HmacAuth, IdempotencySource, PathTokenAuth, SealedSecret, WebhookConfig
from tests.support.requests import TENANT_ID, WEBHOOK_ID, webhook_config

AT_US = 1_750_849_543_488_123
DELIVERY_ID = uuid7_text(AT_US)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRETS = (SealedSecret(sealed="v1.none.none"),)
HEADERS = {"x-event": "created", "authorization": "Bearer open-sesame", "x-proof": "open-sesame", "user-agent": "curl"}


def tried(body: bytes = b'{"alert":{"id":"a-1","site":7}}', **changes: Any) -> TriedRequest:
    content_type = changes.pop("content_type", "application/json")
    headers = {**HEADERS, "content-type": content_type, **changes.pop("headers", {})}
    return TriedRequest("POST", headers, changes.pop("query", {}), content_type, body, "10.0.0.9")._replace(**changes)


def recorded(config: WebhookConfig, request: TriedRequest) -> RawRecord:
    found = work_out(config, request, {}, at_us=AT_US, timeout_seconds=1)
    return raw_record(config, request, found, delivery_id=DELIVERY_ID, at_us=AT_US, traceparent=TRACEPARENT)


def test_the_facts_are_those_of_the_receiver() -> None:
    request = tried(query={"kind": "alert", "token": "open-sesame"})
    record = recorded(webhook_config(auth_config=HmacAuth(signature_header="X-Proof", secrets=SECRETS)), request)
    head = Head(
        "POST", "/api/inbound/demo/rmm-alerts", "kind=alert&token=open-sesame", request.headers, True, len(request.body)
    )
    expected = request_facts(head, StoredHeaders("X-Proof"), "10.0.0.9", 0, invalid_json=False, priority=1)
    assert RequestFacts.model_validate_json(record.headers.request) == RequestFacts.model_validate_json(expected)
    assert record.facts == RequestFacts.model_validate_json(expected)
    assert orjson.loads(record.headers.request) == orjson.loads(expected)


def test_no_proof_is_kept_whatever_the_scheme() -> None:
    for auth in (
        HmacAuth(signature_header="X-Proof", secrets=SECRETS),
        ApiKeyAuth(header="X-Proof", secrets=SECRETS),
        PathTokenAuth(query_param="k", secrets=SECRETS),
    ):
        headers = {} if isinstance(auth, PathTokenAuth) else {"x-proof": "open-sesame"}
        request = tried(query={"k": "open-sesame"} if isinstance(auth, PathTokenAuth) else {})
        request = request._replace(headers={"authorization": "open-sesame", **headers})
        assert "open-sesame" not in str(recorded(webhook_config(auth_config=auth), request))


def test_it_is_marked_as_a_test_and_as_nothing_else() -> None:
    record = recorded(webhook_config(), tried())
    assert dict(encode(record.headers))["hookline-test"] == b"1"
    assert record.headers.replay is None
    assert record.headers.traceparent == TRACEPARENT
    assert (record.headers.delivery_id, record.headers.received_at_us) == (DELIVERY_ID, AT_US)


def test_the_priority_chooses_the_topic() -> None:
    assert [recorded(webhook_config(priority=priority), tried()).topic for priority in range(4)] == [
        *(RECEIVED, RECEIVED, EXPEDITED, EXPEDITED)
    ]


def test_the_key_is_that_of_the_ordering_key_else_of_the_dedupe_key_else_of_the_delivery() -> None:
    config = webhook_config(ordering_key="alert.site")
    assert recorded(config, tried()).key == request_key(TENANT_ID, WEBHOOK_ID, "7")
    assert recorded(config, tried()).headers.dedupe_key == "a-1"
    assert recorded(webhook_config(), tried()).key == request_key(TENANT_ID, WEBHOOK_ID, "a-1")
    assert recorded(webhook_config(), tried(b"{}")).key == request_key(TENANT_ID, WEBHOOK_ID, DELIVERY_ID)


def test_a_key_from_a_header_is_found_in_any_case_of_its_name() -> None:
    config = webhook_config(idempotency_source=IdempotencySource(type="header", value="X-Event"))
    assert recorded(config, tried()).headers.dedupe_key == "created"


def test_keys_that_cannot_be_worked_out_are_said_in_words() -> None:
    config = webhook_config(ordering_key="$number(alert.id)")
    keys = work_out(config, tried(b'{"alert":{"id":"x"}}'), {}, at_us=AT_US, timeout_seconds=1)
    assert (keys.dedupe_key, keys.ordering_key) == ("x", None)
    [warning] = keys.warnings
    assert warning.startswith("ordering_key: ")
    keys = work_out(config, tried(b"{}"), {}, at_us=AT_US, timeout_seconds=1)
    assert keys.warnings[0] == "idempotency_source: the request has no value for it"


def test_a_body_that_is_no_json_is_marked_as_the_receiver_marks_it() -> None:
    record = recorded(webhook_config(), tried(b"{"))
    assert record.facts.invalid_json
    assert b'"invalid_json":true' in record.headers.request
    assert record.headers.dedupe_key is None
