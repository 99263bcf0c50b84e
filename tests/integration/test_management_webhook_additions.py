"""Enrichment, redaction and handshakes of a webhook: held to their rules, kept, shown, published and restored."""

from __future__ import annotations

import json
from uuid import uuid4

from tests.support.management import ManagementBase, management_base
from tests.support.webhooks import (
    WEBHOOKS,
    Json,
    create_webhook,
    get_webhook,
    problems_of,
    record_of,
    refused_webhook,
    webhook_body,
)

__all__ = ["management_base"]

HANDSHAKE: Json = {
    "methods": ["POST"],
    "when": [{"source": "body.type", "equals": "url_verification"}, {"source": "body.challenge", "exists": True}],
    "json": {"challenge": "{body.challenge}", "signed": ["{hmac_sha256_hex:body.challenge}"]},
}
ADDITIONS: Json = {
    "metadata": {"source": "rmm"},
    "enrichment": {"severity": "$uppercase(alert.severity)", "a.b": "device.site"},
    "redact_paths": ["$.user.password", "cards[*].number"],
    "handshake": HANDSHAKE,
}


def test_they_are_kept_shown_and_published_as_they_were_given(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "additions", **ADDITIONS)
    shown = get_webhook(management_base, created["id"])
    assert shown["enrichment"] == ADDITIONS["enrichment"]
    assert shown["redact_paths"] == ADDITIONS["redact_paths"]
    assert shown["handshake"]["json"] == HANDSHAKE["json"]
    assert shown["handshake"]["proof"] == "required"
    record = record_of(management_base, created["id"])
    assert record is not None
    assert (record.enrichment, list(record.redact_paths)) == (ADDITIONS["enrichment"], ADDITIONS["redact_paths"])
    assert record.handshake is not None
    assert record.handshake.json_value == HANDSHAKE["json"]
    assert json.loads(record.model_dump_json())["handshake"]["json"] == HANDSHAKE["json"]


def test_what_get_shows_put_takes_unchanged_and_makes_no_version(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "additions-again", **ADDITIONS)
    shown = get_webhook(management_base, created["id"])
    answer = management_base.call("PUT", f"{WEBHOOKS}/{created['id']}", json=shown)
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == 1


def test_they_are_changed_taken_away_and_restored(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "additions-changed", **ADDITIONS)
    path = f"{WEBHOOKS}/{created['id']}"
    change: Json = {"enrichment": {"severity": None, "site": "device.site"}, "redact_paths": [], "handshake": None}
    changed = management_base.call("PATCH", path, json=change).json()
    assert changed["enrichment"] == {"a.b": "device.site", "site": "device.site"}
    assert (changed["redact_paths"], changed["handshake"]) == ([], None)
    differences = management_base.call("GET", f"{path}/versions/2").json()["differences"]
    assert {one["path"] for one in differences} == {
        "enrichment.severity",
        "enrichment.site",
        "handshake",
        "redact_paths",
    }
    restored = management_base.call("POST", f"{path}/versions/1/restore")
    assert restored.status_code == 200, restored.text
    assert restored.json()["handshake"] == created["handshake"]
    [audited] = management_base.rows(
        "SELECT after FROM audit_entries WHERE resource_id = %s AND action = 'inbound_webhook.restored'",
        (created["id"],),
    )
    assert audited["after"]["redact_paths"] == ADDITIONS["redact_paths"]


def test_every_problem_with_them_has_its_path(management_base: ManagementBase) -> None:
    problems = refused_webhook(
        management_base,
        metadata={"source": "rmm"},
        enrichment={"source": "alert.source", "broken": "alert.(", "number": 7, "": "alert.id", "x" * 256: "alert.id"},
        redact_paths=["$.user.password", "$..deep", 7, "a["],
        handshake={
            "methods": ["GET", "DELETE"],
            "when": [{"source": "challenge", "exists": True}, {"source": "query.a", "exists": True, "equals": 1}],
            "status": 404,
        },
    )
    assert set(problems) == {
        "enrichment",
        "enrichment.source",
        "enrichment.broken",
        "enrichment.number",
        "redact_paths.1",
        "redact_paths.2",
        "redact_paths.3",
        "handshake.methods.1",
        "handshake.when.0.source",
        "handshake.when.1",
        "handshake.status",
    }
    assert "1 to 255 characters" in problems["enrichment"]
    assert "does not compile" in problems["enrichment.broken"]
    assert "metadata" in problems["enrichment.source"]
    assert problems["handshake.when.1"].endswith("one of exists, equals and equals_token is required")


def test_they_are_bounded(management_base: ManagementBase) -> None:
    problems = refused_webhook(
        management_base,
        enrichment={f"member-{number}": "alert.id" for number in range(51)},
        redact_paths=[f"a{number}" for number in range(101)],
    )
    assert problems == {
        "enrichment": "enrichment must have at most 50 members",
        "redact_paths": "redact_paths must have at most 100 entries",
    }
    answer = {**HANDSHAKE, "json": {"text": "x" * 4_096}}
    assert "at most 4,096 bytes" in refused_webhook(management_base, handshake=answer)["handshake.json"]
    large = {f"member-{number}": f"'{'x' * 2_000}'" for number in range(40)}
    assert "at most 65,536 bytes" in refused_webhook(management_base, enrichment=large)["enrichment"]


def test_a_handshake_that_could_never_be_answered_is_refused(management_base: ManagementBase) -> None:
    without_secret = {
        "auth_type": "ip_allowlist",
        "auth_config": {"ip_cidrs": ["192.0.2.0/24"]},
        "handshake": {
            "methods": ["GET", "HEAD"],
            "when": [
                {"source": "query.hub.verify_token", "equals_token": True},
                {"source": "body.challenge", "exists": True},
            ],
            "text": "{query.hub.challenge} {hmac_sha256_base64:query.hub.challenge} {boddy.challenge}",
        },
    }
    body = webhook_body(f"handshake-{uuid4().hex}", **without_secret)
    answer = management_base.call("POST", WEBHOOKS, json=body)
    assert set(problems_of(answer)) == {
        "handshake.when.0.equals_token",
        "handshake.when.1.source",
        "handshake.text",
    }
    messages = [one["message"] for one in answer.json()["error"]["details"] if one["path"] == "handshake.text"]
    assert messages == [
        "{hmac_sha256_base64:query.hub.challenge} is made with the webhook's secret, and this scheme has none",
        "{boddy.challenge} is no placeholder: {query.NAME}, {header.NAME} and {body.NAME} are",
    ]
