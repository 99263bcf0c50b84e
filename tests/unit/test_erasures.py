"""What an erasure matches, and what its receipt says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from infra.requests.paths import compile_path
from infra.secretbox import SecretBox, new_key
from infra.topics import RECEIVED, REQUEST_DEAD_LETTERS, load_topics
from management.erasures.kept import KeptCleared
from management.erasures.matching import has_value
from management.erasures.receipts import TOPICS, Cleared, in_force_until, kept_of, make_receipt, receipt_hash

ASKED_AT = datetime(2026, 1, 10, tzinfo=UTC)
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "content_type", "matches"),
    [
        (b'{"contact": {"email": "ada@x.example"}}', None, True),
        (b'{"contact": {"email": "\\u0061da@x.example"}}', None, True),
        (b'{"contact": {"email": "ADA@x.example"}}', None, False),
        (b'{"contact": {"email": "ada@x.example "}}', None, False),
        (b'{"cc": "ada@x.example"}', None, False),
        (b'{"contact": {"email": "bob@x.example"}, "cc": "ada@x.example"}', None, False),
        (b'{"contact": {"email": "ada@x.example"', None, True),
        (b'{"contact": {"email": "bob@x.example"', None, False),
        (b"", None, False),
    ],
)
def test_a_body_matches_by_the_value_at_the_path_or_where_it_cannot_be_read_by_holding_it(
    body: bytes, content_type: str | None, matches: bool
) -> None:
    assert has_value(body, content_type, compile_path("$.contact.email"), "ada@x.example") is matches


def test_a_form_and_a_number_and_every_member_of_a_list_are_looked_at() -> None:
    assert has_value(b"email=ada%40x.example", FORM, compile_path("$.email"), "ada@x.example")
    assert has_value(b'{"id": 42}', None, compile_path("id"), "42")
    assert not has_value(b'{"id": true}', None, compile_path("id"), "42")
    assert has_value(b'{"to": [{"e": "a"}, {"e": "b"}]}', None, compile_path("to[*].e"), "b")


def erasure(**members: Any) -> dict[str, Any]:
    return {
        "id": uuid4(), "tenant_id": uuid4(), "kind": "value", "delivery_id": None, "webhook_id": None,
        "path": "$.a", "value_fingerprint": "f1.x", "reason": "asked", "asked_by": {"type": "user"},
        "asked_at": ASKED_AT, "in_force_until": ASKED_AT, "receipt": None, "receipt_hash": None, **members,
    }  # fmt: skip


def test_a_receipt_says_what_stays_where_and_until_when_and_any_change_shows_in_its_hash() -> None:
    topics = load_topics()
    cleared = Cleared(3, 1, [f"ticket_id={n}" for n in range(150)], KeptCleared(2, 4))
    removed_at = ASKED_AT + timedelta(minutes=9)
    receipt = make_receipt(erasure(), cleared, removed_at=removed_at, rejection_days=14, topics=topics)
    remaining = {entry["store"]: entry for entry in receipt["remaining"]}
    assert {name for name in remaining if name.startswith("kafka.")} == {f"kafka.{name}" for name in TOPICS}
    raw, dead = remaining[f"kafka.{RECEIVED}"], remaining[f"kafka.{REQUEST_DEAD_LETTERS}"]
    assert (raw["until"], raw["at_the_latest"]) == ("2026-01-17T00:00:00.000Z", "2026-01-24T00:00:00.000Z")
    assert dead["until"] == "2026-02-09T00:00:00.000Z"
    assert remaining["clickhouse.rejections"]["until"] == "2026-01-24T00:00:00.000Z"
    assert (len(remaining["postgres"]["entities"]), remaining["postgres"]["entities_found"]) == (100, 150)
    assert [entry["deliveries"] for entry in receipt["cleared"][:2]] == [3, 1]
    assert receipt["cleared"][2] == {"store": "postgres.webhooks", "samples": 2, "tests": 4}
    assert kept_of(receipt) == (2, 4)
    assert kept_of({"cleared": receipt["cleared"][:2]}) == (0, 0)
    assert receipt["cleared"][0]["bytes_removed_at"] == "2026-01-10T00:09:00.000Z"
    digest = receipt_hash(receipt)
    assert receipt_hash(json.loads(json.dumps(receipt))) == digest
    assert receipt_hash({**receipt, "deliveries_matched": 2}) != digest
    second = make_receipt(
        erasure(receipt=receipt, receipt_hash=digest), cleared, removed_at=removed_at, rejection_days=14, topics=topics
    )
    assert (second["revision"], second["previous_hash"]) == (2, digest)


def test_every_topic_is_named_that_holds_more_than_configuration_keys_and_counts() -> None:
    assert set(load_topics()) - set(TOPICS) == {
        *("webhooks.key.released.v1", "webhooks.key.remembered.v1", "configuration.webhook.changed.v1"),
        "webhooks.request.accepted.v1",
    }


def test_an_erasure_is_in_force_until_no_topic_can_bring_a_request_back() -> None:
    assert in_force_until(ASKED_AT, load_topics()) == ASKED_AT + timedelta(days=14)


def test_a_fingerprint_is_known_again_and_is_of_one_tenant_and_one_key() -> None:
    key = new_key()
    box = SecretBox([key])
    made = box.fingerprint("zoe", context="erasure/1")
    assert made == SecretBox([key]).fingerprint("zoe", context="erasure/1")
    others = {box.fingerprint("zoe", context="erasure/2"), box.fingerprint("bob", context="erasure/1")}
    assert made not in others | {SecretBox([new_key()]).fingerprint("zoe", context="erasure/1")}
    assert "zoe" not in made
