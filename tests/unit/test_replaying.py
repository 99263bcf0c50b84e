"""Places, derived ids, changed bodies and requests from the log: what a replay is made of, without any store."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.topics import EXPEDITED, RECEIVED
from management.replaying.changes import PatchError, patched, shown_operations
from management.replaying.places import FoundRecord, Lost, OffsetRange, Place, parse_range
from management.replaying.records import replay_delivery_id, replay_record
from management.replaying.reworking import Reworking
from management.replaying.stored import found_or_stored, stored_record, with_origin
from schemas.headers import DeliveryHeaders, RecordPlace, Replay
from schemas.keys import request_key
from schemas.records import RequestFacts
from tests.support.requests import TENANT_ID, WEBHOOK_ID, webhook_config

ORIGIN = "01980000-0000-7000-8000-0000000000a1"
REPLAY = "01980000-0000-7000-8000-0000000000d1"
AT_US = 1_790_000_000_000_123
BODY = b'{"alert": {"id": "a-1", "n": 12345678901234567890123}, "device": 7}'
FACTS = RequestFacts(
    method="POST",
    path="/api/inbound/demo/rmm-alerts",
    headers={"content-type": "application/json", "x-hop": "1"},
    source_ip="203.0.113.7",
    content_type="application/json",
    ingress_us=412,
    redact_paths=["$.old"],
    priority=0,
)
PLACE = Place(RECEIVED, 3, 1_812)
ROW: dict[str, Any] = {
    "tenant_id": UUID(TENANT_ID),
    "webhook_id": UUID(WEBHOOK_ID),
    "delivery_id": UUID(ORIGIN),
    "received_at_us": AT_US,
    "config_version": 3,
    "idempotency_key": "a-1",
    "request_method": "POST",
    "request_path": FACTS.path,
    "request_query": "{}",
    "request_headers": orjson.dumps(FACTS.headers).decode(),
    "content_type": "application/json",
    "source_ip": FACTS.source_ip,
    "user_agent": None,
    "invalid_json": False,
    "is_test": True,
    "priority": 0,
    "replay_id": None,
    "replayed_from": None,
    "replay_mode": None,
    "raw_topic": RECEIVED,
    "raw_partition": 3,
    "raw_offset": 1_812,
    "body_redacted": False,
    "is_erased": False,
    "has_body": True,
    "is_expired": False,
    "body_base64": base64.b64encode(BODY).decode(),
}


def found(**changes: Any) -> FoundRecord:
    headers = DeliveryHeaders(
        ORIGIN, TENANT_ID, WEBHOOK_ID, 3, AT_US, FACTS.model_dump_json().encode(), "a-1", "00-aa-bb-01"
    )
    key = request_key(TENANT_ID, WEBHOOK_ID, "a-1")
    return FoundRecord(PLACE, key, BODY, headers._replace(**changes), AT_US // 1_000, FACTS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{RECEIVED}:3:10-9", "end before they begin"),
        ("configuration.webhook.changed.v1:0:0-9", "is not one of"),
        (f"{RECEIVED}:3:-1-9", "is not topic:partition:first-last"),
        (f"{RECEIVED}:3:1", "is not topic:partition:first-last"),
        (f"{RECEIVED}:3:1-{'9' * 19}", "is not topic:partition:first-last"),
        ("", "is not topic:partition:first-last"),
    ],
)
def test_a_range_that_is_none_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_range(text)


@given(st.sampled_from([RECEIVED, EXPEDITED]), st.integers(0, 10**9 - 1), st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_range_is_read_as_it_is_written(topic: str, partition: int, first: int, length: int) -> None:
    wanted = OffsetRange(topic, partition, first, first + length)
    assert parse_range(str(wanted)) == wanted


def test_who_works_out_the_id_again_gets_the_same_and_other_origins_and_replays_have_others() -> None:
    first = replay_delivery_id(REPLAY, ORIGIN, AT_US)
    assert first == replay_delivery_id(REPLAY, ORIGIN, AT_US)
    assert UUID(first).version == 7
    assert UUID(first).int >> 80 == AT_US // 1_000
    others = {first, replay_delivery_id(ORIGIN, ORIGIN, AT_US), replay_delivery_id(REPLAY, REPLAY, AT_US)}
    assert len(others) == 3


def test_a_replays_record_masks_what_is_masked_now_or_was_then_and_none_waited_for_it() -> None:
    config = webhook_config(version=9, priority=2, redact_paths=("$.new", "$.old"))
    record = replay_record(found(), config, replay_id=REPLAY, mode="fill", delivery_id="d", at_us=AT_US + 5)
    facts = RequestFacts.model_validate_json(record.headers.request)
    assert facts == FACTS.model_copy(update={"redact_paths": ["$.old", "$.new"], "ingress_us": 0, "priority": 2})
    assert (record.topic, record.partition, record.key, record.value) == (RECEIVED, 3, found().key, BODY)
    assert (record.headers.config_version, record.headers.received_at_us) == (9, AT_US + 5)
    assert record.headers.replay == Replay(REPLAY, ORIGIN, "fill", 1, AT_US, RecordPlace(*PLACE, AT_US // 1_000))
    again = replay_record(found(), config, replay_id=REPLAY, mode="fill", delivery_id="d", at_us=AT_US + 5)
    assert again == record, "whoever makes it again makes the same, its trace included"


def test_another_body_is_worked_out_anew_and_goes_where_its_key_leads() -> None:
    config = webhook_config(ordering_key="device")
    body = b'{"alert": {"id": "a-2"}, "device": 8}'
    worked_out = Reworking({}, 5.0).work_out(found(), config, body, "application/json")
    record = replay_record(
        found(), config, replay_id=REPLAY, mode="redrive", delivery_id="d", at_us=AT_US, changed=worked_out, body=body
    )
    assert (record.headers.dedupe_key, record.value, record.partition) == ("a-2", body, None)
    assert record.key == request_key(TENANT_ID, WEBHOOK_ID, "8")
    assert record.facts.headers == FACTS.headers


def test_what_the_log_has_makes_the_record_that_kafka_had() -> None:
    stored = stored_record(ROW)
    assert isinstance(stored, FoundRecord)
    assert (stored.place, stored.key, stored.value) == (PLACE, found().key, BODY)
    assert stored.is_stored
    assert stored.headers.is_test
    kept = FACTS.model_copy(update={"ingress_us": 0, "redact_paths": []})
    assert stored.facts == kept
    assert RequestFacts.model_validate_json(stored.headers.request) == kept
    without = stored_record({**ROW, "idempotency_key": None})
    assert isinstance(without, FoundRecord)
    assert without.key == request_key(TENANT_ID, WEBHOOK_ID, ORIGIN)
    ordered = Reworking({}, 5.0).keyed(stored, webhook_config(ordering_key="device"))
    assert ordered.key == request_key(TENANT_ID, WEBHOOK_ID, "7")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"raw_topic": None}, "the log has its outcome alone"),
        ({"is_erased": True}, "its body was erased"),
        ({"body_redacted": True}, "its stored body is masked"),
        ({"has_body": False}, "its body's retention ended"),
        ({"is_expired": True}, "its body's retention ended"),
    ],
)
def test_what_the_log_has_not_whole_is_lost_with_its_reason(change: dict[str, Any], reason: str) -> None:
    lost = stored_record({**ROW, **change})
    assert isinstance(lost, Lost)
    assert lost.reason == reason


def test_another_record_at_the_place_is_not_taken_for_it_and_an_erased_one_is_not_brought_back() -> None:
    assert found_or_stored(found(), ROW) == found()
    for other in (found(delivery_id=REPLAY), found(tenant_id=REPLAY)):
        taken = found_or_stored(other, ROW)
        assert isinstance(taken, FoundRecord)
        assert taken.is_stored
    lost = found_or_stored(found(delivery_id=REPLAY), {**ROW, "body_redacted": True})
    assert isinstance(lost, Lost)
    assert lost.reason == "another record stands there: the topic was made anew; its stored body is masked"
    erased = found_or_stored(found(), {**ROW, "is_erased": True})
    assert isinstance(erased, Lost)
    assert erased.reason == "its body was erased"


def test_a_replay_from_the_log_learns_from_its_origins_row_what_that_was() -> None:
    row = {**ROW, "replay_id": REPLAY, "replayed_from": ORIGIN, "replay_mode": "fill", "received_at_us": AT_US + 9}
    stored = stored_record(row)
    assert isinstance(stored, FoundRecord)
    known = with_origin(stored, ROW).headers.replay
    assert known == Replay(REPLAY, ORIGIN, "fill", 1, AT_US, RecordPlace(*PLACE, AT_US // 1_000))
    record = replay_record(
        with_origin(stored, ROW), webhook_config(), replay_id="r2", mode="redrive", delivery_id="d", at_us=1
    )
    assert record.headers.replay == known._replace(replay_id="r2", mode="redrive")


def test_a_patch_changes_what_it_names_and_keeps_every_digit_of_the_rest() -> None:
    operations = [{"op": "replace", "path": "/alert/id", "value": "a-2"}, {"op": "remove", "path": "/device"}]
    changed = patched(b"\xef\xbb\xbf" + BODY, "application/json", operations, bytes_max=1_000)
    assert changed.decode() == '{"alert":{"id":"a-2","n":12345678901234567890123}}'


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ({"op": "test", "path": "/device", "value": 8}, "test: the body has another value at its path"),
        ({"op": "remove", "path": "/none"}, "remove: the body has nothing at its path"),
        ({"op": "replace", "path": "/device/x/y", "value": 1}, "replace: its path leads nowhere in the body"),
        ({"op": "add", "path": "/alert/id/0", "value": 1}, "add: "),
        ({"op": "move", "path": "/x"}, "move: it is not an operation of RFC 6902: a member is missing or wrong"),
        ({"op": "add", "path": "device", "value": 1}, "add: its path leads nowhere in the body"),
        ({"op": "add", "path": "/x"}, "add: it is not an operation of RFC 6902: a member is missing or wrong"),
    ],
)
def test_an_operation_that_does_not_fit_is_named_without_a_word_of_the_body(
    operation: dict[str, Any], words: str
) -> None:
    good = {"op": "test", "path": "/alert/id", "value": "a-1"}
    with pytest.raises(PatchError) as refused:
        patched(BODY, None, [good, operation], bytes_max=1_000)
    assert refused.value.path == "patch.1"
    assert str(refused.value).startswith(words)
    assert "a-1" not in str(refused.value)


def test_copies_cannot_make_a_body_grow_without_bound() -> None:
    copies = [{"op": "copy", "from": "", "path": f"/x{number}"} for number in range(100)]
    with pytest.raises(PatchError, match="grows beyond 100000 bytes") as refused:
        patched(BODY, None, copies, bytes_max=100_000)
    assert int(refused.value.path.removeprefix("patch.")) < 20
    with pytest.raises(PatchError, match="the webhook takes 10 at most"):
        patched(BODY, None, [{"op": "add", "path": "/x", "value": "0123456789"}], bytes_max=10)


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (b"a=1", "application/x-www-form-urlencoded", "is a form"),
        (b"{", None, "is not JSON"),
        (b"\xff", None, "not JSON"),
    ],
)
def test_what_is_no_json_takes_no_patch(body: bytes, content_type: str | None, words: str) -> None:
    with pytest.raises(PatchError, match=words) as refused:
        patched(body, content_type, [{"op": "add", "path": "/a", "value": 1}], bytes_max=100)
    assert refused.value.path == "patch"


@pytest.mark.parametrize(
    ("operations", "redact_paths", "bodies"),
    [
        ([{"op": "add", "path": "/a", "value": "v"}], ("$.a",), (b"{}",)),
        ([{"op": "add", "path": "/password", "value": "v"}, {"op": "remove", "path": "/password"}], (), (b"{}",)),
        ([{"op": "add", "path": "/a", "value": {"token": "v"}}], (), (b"{}",)),
        ([{"op": "test", "path": "/a", "value": "v"}], (), (b'{"secret": "v"}', b"{}")),
    ],
)
def test_operations_are_shown_without_values_where_anything_is_masked(
    operations: list[dict[str, Any]], redact_paths: tuple[str, ...], bodies: tuple[bytes, ...]
) -> None:
    shown = shown_operations(operations, redact_paths, bodies)
    assert '"v"' not in orjson.dumps(shown).decode()
    assert [(one["op"], one["path"]) for one in shown] == [(one["op"], one["path"]) for one in operations]
    assert all(one["value"] == "***" for one in shown if "value" in one)


def test_operations_are_shown_as_they_are_where_nothing_is_masked() -> None:
    operations: list[dict[str, Any]] = [
        {"op": "add", "path": "/a", "value": {"b": 1}},
        {"op": "move", "from": "/a", "path": "/c"},
    ]
    assert shown_operations(operations, (), (BODY, BODY)) == operations
