"""Why a request is taken or not, in words, for the people a webhook belongs to: nothing is kept, logged or told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

import pytest
from standardwebhooks import Webhook as StandardWebhook

from tests.support.management import ManagementBase, bearer, management_base, whole_log
from tests.support.webhooks import WEBHOOKS, Json, create_webhook, problems_of

__all__ = ["management_base", "whole_log"]

SECRET = "open-sesame-open-sesame"
BODY = '{"alert": {"id": 7, "site": "north"}}'


def signature(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.fixture(scope="module")
def webhook(management_base: ManagementBase) -> Json:
    return create_webhook(
        management_base,
        "explained",
        auth_config={"signature_header": "X-RMM-Signature", "secret": SECRET},
        idempotency_source={"type": "jsonata", "value": "alert.id"},
        ordering_key="alert.site",
        max_body_bytes=1_000,
    )


def explained(base: ManagementBase, webhook: Json, **request: Any) -> Json:
    answer = base.call("POST", f"{WEBHOOKS}/{webhook['id']}/explain", json=request)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def test_a_right_request_is_accepted_with_its_keys(management_base: ManagementBase, webhook: Json) -> None:
    headers = {"X-RMM-SIGNATURE": signature(BODY.encode()), "Content-Type": "application/json"}
    found = explained(management_base, webhook, headers=headers, body=BODY)
    assert (found["verdict"], found["reason"]) == ("accepted", None)
    assert (found["idempotency_key"], found["ordering_key"], found["event_type"]) == ("7", "north", None)
    encoded = base64.b64encode(BODY.encode()).decode()
    assert explained(management_base, webhook, headers=headers, body_base64=encoded) == found


def test_a_wrong_one_is_explained_without_a_word_that_would_make_it_right(
    management_base: ManagementBase, webhook: Json, whole_log: Callable[[], str]
) -> None:
    given = "sha256=" + signature(BODY.encode(), "another secret altogether")
    found = explained(management_base, webhook, headers={"X-RMM-Signature": given}, body=BODY)
    assert (found["verdict"], found["reason"]) == ("refused", "rejected_signature")
    assert "x-rmm-signature" in found["words"]
    line_break = explained(
        management_base, webhook, headers={"X-RMM-Signature": signature(BODY.encode() + b"\n")}, body=BODY
    )
    assert any("line break" in hint for hint in line_break["hints"])
    missing = explained(management_base, webhook, headers={"X-Signature": "x"}, body=BODY)
    assert (missing["reason"], missing["idempotency_key"]) == ("rejected_no_auth", "7")
    said = repr((found, line_break, missing)) + whole_log()
    assert signature(BODY.encode()) not in said
    assert SECRET not in said
    assert given.removeprefix("sha256=") not in whole_log()


def test_nothing_of_it_is_kept(management_base: ManagementBase, webhook: Json) -> None:
    counted = "SELECT (SELECT count(*) FROM webhook_tests) + (SELECT count(*) FROM audit_entries) AS kept"
    before = management_base.rows(counted)
    explained(management_base, webhook, body=BODY)
    assert management_base.rows(counted) == before


def test_it_takes_the_right_to_update(management_base: ManagementBase, webhook: Json) -> None:
    path = f"{WEBHOOKS}/{webhook['id']}/explain"
    reader = bearer(management_base.new_key("inbound_webhook:read"))
    assert management_base.call("POST", path, json={}, headers=reader).status_code == 403
    stranger = management_base.other_tenant.headers
    assert management_base.call("POST", path, json={}, headers=stranger).status_code == 404


def test_the_receivers_order_is_kept(management_base: ManagementBase, webhook: Json) -> None:
    assert explained(management_base, webhook, body="x" * 1_001)["reason"] == "body_too_large"
    proof = {"X-RMM-Signature": signature(b"")}
    assert explained(management_base, webhook, method="GET", headers=proof)["reason"] == "no_handshake_rule"
    no_json = explained(management_base, webhook, headers={"X-RMM-Signature": signature(b"{")}, body="{")
    assert no_json["verdict"] == "accepted"
    assert any("not JSON" in warning for warning in no_json["warnings"])
    off = create_webhook(management_base, "explained-off", is_active=False)
    assert explained(management_base, off, body=BODY)["reason"] == "disabled_webhook"


def test_an_address_is_asked_for_where_the_webhook_looks_at_it(management_base: ManagementBase) -> None:
    webhook = create_webhook(
        management_base, "explained-ip", auth_type="ip_allowlist", auth_config={"ip_cidrs": ["192.0.2.0/24"]}
    )
    path = f"{WEBHOOKS}/{webhook['id']}/explain"
    assert set(problems_of(management_base.call("POST", path, json={}))) == {"source_ip"}
    assert explained(management_base, webhook, source_ip="192.0.2.7")["verdict"] == "accepted"
    outside = explained(management_base, webhook, source_ip="198.51.100.7")
    assert (outside["reason"], "198.51.100.7" in outside["words"]) == ("rejected_ip", True)


def test_every_problem_of_the_question_has_its_path(management_base: ManagementBase, webhook: Json) -> None:
    wrong = {"url": "http://[", "query": "a=b", "body": "a", "body_base64": "!", "source_ip": "nowhere"}
    answer = management_base.call("POST", f"{WEBHOOKS}/{webhook['id']}/explain", json=wrong)
    assert set(problems_of(answer)) == {"url", "query", "body_base64", "source_ip"}


def test_a_signed_id_is_the_key_and_an_old_time_is_explained(management_base: ManagementBase) -> None:
    webhook = create_webhook(management_base, "explained-standard", auth_type="standard_webhooks", auth_config={})
    now = int(time.time())
    signed_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now)}
    content = f"msg_1.{now}.{BODY}".encode()
    key = base64.b64decode(webhook["secret"].removeprefix("whsec_"))
    headers["webhook-signature"] = "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    StandardWebhook(webhook["secret"]).verify(BODY, headers)
    found = explained(management_base, webhook, headers=headers, body=BODY, received_at=signed_at)
    assert (found["verdict"], found["idempotency_key"]) == ("accepted", "msg_1")
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 1_000))
    old = explained(management_base, webhook, headers=headers, body=BODY, received_at=later)
    assert (old["reason"], "1000 s old" in old["words"]) == ("rejected_timestamp", True)


def test_a_handshake_is_shown_with_its_answer(management_base: ManagementBase) -> None:
    webhook = create_webhook(
        management_base,
        "explained-meta",
        auth_type="preset",
        auth_config={"preset": "meta", "secret": "0123456789abcdef0123456789abcdef"},
    )
    query = f"hub.mode=subscribe&hub.challenge=1158&hub.verify_token={webhook['handshake_token']}"
    found = explained(management_base, webhook, method="GET", url=f"{webhook['receiver_url']}?{query}")
    assert (found["verdict"], found["reason"], found["handshake"]["body"]) == ("handshake", None, "1158")
    wrong = explained(management_base, webhook, method="GET", query=query + "0")
    assert (wrong["verdict"], wrong["reason"]) == ("refused", "rejected_no_auth")
    event = explained(
        management_base, webhook, body='{"object": "page", "entry": [{"id": "1", "changes": [{"field": "feed"}]}]}'
    )
    assert event["event_type"] == "page.feed"
