"""Replays of single deliveries through the real pipeline: what runs again, from where it is read, what is refused."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from hookline.embedded.postgres import PostgresServer
from infra.clickhouse import ClickHouse
from infra.clock import now_us
from tests.support.analytics import rejection_record
from tests.support.erasures import await_closed
from tests.support.management import bearer
from tests.support.replays import ReplayStage, replay_stage
from tests.support.retention import keep
from tests.support.webhook_stage import ALERT, ALERT_MAPPING

Json = dict[str, Any]
MAPPING = {**ALERT_MAPPING, "title": "alert.message & ' ' & $string($random())"}
GONE = "the topic keeps it no longer: its retention ended"
BY_ID = {"idempotency_source": {"type": "jsonata", "value": "alert.id"}}


@pytest.fixture(scope="module")
def stage(
    postgres: PostgresServer, clickhouse_engine: ClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ReplayStage]:
    folder = tmp_path_factory.mktemp("replays")
    with replay_stage(postgres.dsn, clickhouse_engine, folder) as running:
        yield running


def create(stage: ReplayStage, **settings: Any) -> Json:
    handler = {"action": "createTicket", "field_mapping": MAPPING}
    return stage.webhooks.create(**{"handler_config": handler, **settings})


def ticket(stage: ReplayStage, delivery: Json) -> Json:
    [row] = stage.webhooks.base.rows(
        "SELECT title, description FROM tickets WHERE id = %s", [delivery["handler_outcome"]["entity_id"]]
    )
    return row


def test_a_dispatched_delivery_runs_again_as_it_came_and_a_replay_of_the_replay_has_its_origin(
    stage: ReplayStage,
) -> None:
    webhook = create(stage, **BY_ID)
    origin = stage.logged(stage.accept(webhook, ALERT, dedupe_key="a-1"))
    answer = stage.call(
        "POST",
        f"/inbound-webhooks/{webhook['id']}/deliveries/{origin['delivery_id']}/replay",
        expected_status=202,
        json={"reason": "the ticket was deleted"},
    )
    assert (answer["replayed_from"], answer["mode"], answer["source"]) == (origin["delivery_id"], "redrive", "kafka")
    replay = stage.logged(answer["delivery_id"])
    assert (replay["dispatch_status"], replay["is_replay"], replay["replay_id"]) == (
        "dispatched",
        True,
        answer["replay_id"],
    )
    assert replay["request"]["body"] == origin["request"]["body"]
    place = replay["raw_record"]
    assert {name: place[name] for name in answer["raw_record"]} == answer["raw_record"]
    assert [place[name] for name in ("topic", "partition")] == [
        origin["raw_record"][name] for name in ("topic", "partition")
    ]
    assert replay["handler_outcome"]["entity_id"] != origin["handler_outcome"]["entity_id"]
    assert ticket(stage, replay) == ticket(stage, origin), "its time, chance and id are its origin's"
    assert replay["replay"] | {"replayed_at": ""} == {
        "mode": "redrive",
        "replayed_by": {"type": "api_key", "id": replay["replay"]["replayed_by"]["id"], "name": "test"},
        "replayed_at": "",
        "reason": "the ticket was deleted",
        "change_kind": None,
        "change": None,
    }
    assert replay["replay_origin"]["delivery_id"] == origin["delivery_id"]
    again = stage.logged(stage.replay(replay["delivery_id"])["delivery_id"])
    assert again["replayed_from"] == origin["delivery_id"]
    assert ticket(stage, again) == ticket(stage, origin)
    shown = stage.logged(origin["delivery_id"])
    assert [one["delivery_id"] for one in shown["replays"]] == [replay["delivery_id"], again["delivery_id"]]
    assert shown["replay"] is None
    entries = stage.call("GET", "/audit", params={"action": "delivery.replayed", "per_page": 100})["data"]
    mine = [entry for entry in entries if entry["resource_id"] == origin["delivery_id"]]
    assert [entry["after"]["delivery_id"] for entry in mine] == [again["delivery_id"], replay["delivery_id"]]
    assert mine[1]["after"]["reason"] == "the ticket was deleted"


def test_what_failed_or_was_filtered_runs_under_the_settings_of_now_and_a_duplicate_runs(stage: ReplayStage) -> None:
    closed = {"all": [{"field": "$.alert.message", "operator": "equals", "value": "never"}]}
    failing = {"action": "createTicket", "field_mapping": {**MAPPING, "title": "$string($number(alert.message))"}}
    webhook = create(stage, handler_config=failing, **BY_ID)
    failed = stage.logged(stage.accept(webhook, ALERT, dedupe_key="f-1"))
    sent_again = stage.logged(stage.accept(webhook, ALERT, dedupe_key="f-4"))
    path = f"/inbound-webhooks/{webhook['id']}"
    repaired = {"handler_config": {"action": "createTicket", "field_mapping": MAPPING}}
    webhook = stage.call("PATCH", path, json={**repaired, "filters": closed})
    filtered = stage.logged(stage.accept(webhook, ALERT, dedupe_key="f-2"))
    webhook = stage.call("PATCH", path, json={"filters": None})
    first = stage.logged(stage.accept(webhook, ALERT, dedupe_key="f-3"))
    duplicate = stage.logged(stage.accept(webhook, ALERT, dedupe_key="f-3"))
    origins = (failed, filtered, first, duplicate)
    assert [one["dispatch_status"] for one in origins] == ["failed", "filtered", "dispatched", "duplicate"]
    repeat = stage.logged(stage.accept(webhook, ALERT, dedupe_key="f-4"))
    again = stage.replay(sent_again["delivery_id"], mode="fill")
    code, message = stage.refused(duplicate["delivery_id"], 409, mode="fill")
    assert (code, f"a duplicate of {first['delivery_id']}" in message) == ("already_done", True)
    filled = stage.replay(failed["delivery_id"], mode="fill")
    answers = [filled, *(stage.replay(one["delivery_id"]) for one in (filtered, duplicate))]
    replays = [stage.logged(one["delivery_id"]) for one in answers]
    assert [one["dispatch_status"] for one in replays] == ["dispatched"] * 3
    assert [one["config_version"] for one in replays] == [webhook["version"]] * 3
    code, message = stage.refused(failed["delivery_id"], 409, mode="fill")
    assert (code, message) == (
        "already_done",
        f"there is nothing to fill: delivery {replays[0]['delivery_id']} was dispatched",
    )
    again = stage.logged(again["delivery_id"])
    assert (again["dispatch_status"], again["duplicate_of"]) == ("duplicate", repeat["delivery_id"])
    activity = stage.call("GET", path)
    assert activity["trigger_count"] == 6, "a replay is no trigger"


def test_a_tests_replay_is_a_test(stage: ReplayStage) -> None:
    webhook = create(stage)
    tested = stage.logged(stage.accept(webhook, ALERT, is_test=True))
    replay = stage.logged(stage.replay(tested["delivery_id"])["delivery_id"])
    assert (replay["is_test"], replay["is_replay"], replay["dispatch_status"]) == (True, True, "dispatched")


def test_a_body_that_is_no_json_is_replayed_only_with_another_one(stage: ReplayStage) -> None:
    webhook = create(stage, **BY_ID)
    broken = stage.logged(stage.accept(webhook, b'{"alert":', facts={"invalid_json": True}))
    assert broken["error"]["code"] == "INVALID_JSON"
    assert stage.refused(broken["delivery_id"], 409)[0] == "invalid_json"
    problems = stage.replay(broken["delivery_id"], expected_status=400, patch=[{"op": "add", "path": "/a", "value": 1}])
    assert problems["error"]["details"] == [{"path": "patch", "message": "the body is not JSON: give a whole body"}]
    mended = stage.logged(stage.replay(broken["delivery_id"], body=ALERT)["delivery_id"])
    assert (mended["dispatch_status"], mended["idempotency_key"], mended["response_status"]) == (
        "dispatched",
        "a-1",
        200,
    )
    assert mended["replay"]["change_kind"] == "body"
    assert orjson.loads(mended["request"]["body"]) == ALERT
    encoded = base64.b64encode(b'{"alert":').decode()
    problems = stage.replay(broken["delivery_id"], expected_status=400, body_base64=encoded)
    assert [one["path"] for one in problems["error"]["details"]] == ["body_base64"]


def test_a_patched_body_has_a_key_of_its_own_and_is_shown_with_its_operations(stage: ReplayStage) -> None:
    webhook = create(stage, **BY_ID)
    origin = stage.logged(stage.accept(webhook, {**ALERT, "n": 12345678901234567890123}, dedupe_key="a-1"))
    patch = [
        {"op": "replace", "path": "/alert/id", "value": "a-2"},
        {"op": "move", "from": "/alert/message", "path": "/alert/text"},
        {"op": "copy", "from": "/alert/text", "path": "/alert/message"},
    ]
    answer = stage.replay(origin["delivery_id"], patch=patch)
    replay = stage.logged(answer["delivery_id"])
    assert replay["idempotency_key"] == "a-2"
    assert (replay["replay"]["change_kind"], replay["replay"]["change"]) == ("patch", patch)
    body = orjson.loads(origin["request"]["body"])
    body["alert"] |= {"id": "a-2", "text": "Disk full"}
    assert orjson.loads(replay["request"]["body"]) == body
    assert "12345678901234567890123" in replay["request"]["body"]
    wrong = stage.replay(
        origin["delivery_id"], expected_status=400, patch=[patch[0], {"op": "remove", "path": "/none"}]
    )
    assert wrong["error"]["details"] == [
        {"path": "patch.1", "message": "remove: the body has nothing at its path"},
    ]
    both = stage.replay(origin["delivery_id"], expected_status=400, body={}, patch=patch)
    assert "give one of body, patch" in both["error"]["details"][0]["message"]


def test_what_kafka_has_no_longer_is_taken_from_the_log_as_long_as_its_body_is_whole(stage: ReplayStage) -> None:
    webhook = create(stage, ordering_key="alert.id", redact_paths=["$.secret_of_ours"])
    origin = stage.logged(stage.accept(webhook, ALERT))
    masked = stage.logged(stage.accept(webhook, {**ALERT, "password": "hunter2"}))
    replay = stage.logged(stage.replay(origin["delivery_id"])["delivery_id"])
    for one in (origin, masked, replay):
        stage.forget(one["delivery_id"])
    answer = stage.replay(origin["delivery_id"])
    assert answer["source"] == "stored"
    assert answer["raw_record"]["partition"] == origin["raw_record"]["partition"]
    stored = stage.logged(answer["delivery_id"])
    assert stored["dispatch_status"] == "dispatched"
    assert stored["request"]["body"] == origin["request"]["body"]
    assert ticket(stage, stored) == ticket(stage, origin)
    again = stage.logged(stage.replay(replay["delivery_id"])["delivery_id"])
    assert again["replayed_from"] == origin["delivery_id"]
    assert ticket(stage, again) == ticket(stage, origin), "a replay from the log has its origin's row to look at"
    assert stage.refused(masked["delivery_id"], 410) == (
        "gone",
        f"delivery {masked['delivery_id']} cannot be replayed any more: {GONE}; its stored body is masked",
    )


def test_an_erased_body_is_not_brought_back_from_kafka_and_takes_a_patch_along(stage: ReplayStage) -> None:
    base = stage.webhooks.base
    webhook = create(stage)
    origin = stage.logged(stage.accept(webhook, ALERT))
    patch = [{"op": "add", "path": "/who", "value": "carla@globex.example"}]
    patched = stage.logged(stage.replay(origin["delivery_id"], patch=patch)["delivery_id"])
    assert patched["replay"]["change"] == patch
    erasure = stage.call("DELETE", f"/deliveries/{patched['delivery_id']}/body", expected_status=202)
    await_closed(base, erasure["id"])
    code, message = stage.refused(patched["delivery_id"], 410)
    assert code == "gone"
    assert message.endswith("its body was erased")
    shown = stage.call("GET", f"/deliveries/{patched['delivery_id']}")["replay"]
    assert (shown["change_kind"], shown["change"]) == ("patch", None)
    [row] = base.rows("SELECT change FROM delivery_replays WHERE delivery_id = %s", [patched["delivery_id"]])
    assert row["change"] is None


def test_a_delivery_is_replayed_as_often_as_its_webhook_allows_also_by_its_replays(stage: ReplayStage) -> None:
    webhook = create(stage, replay_count_max=2)
    origin = stage.accept(webhook, ALERT)
    stage.logged(origin)
    replay = stage.logged(stage.replay(origin)["delivery_id"])
    stage.replay(replay["delivery_id"])
    limit = (
        "replay_limit",
        f"delivery {origin} was replayed 2 times already, which is its webhook's replay_count_max",
    )
    assert stage.refused(origin, 409) == limit
    assert stage.refused(replay["delivery_id"], 409) == limit
    stage.call("PATCH", f"/inbound-webhooks/{webhook['id']}", json={"replay_count_max": 0})
    assert "are never replayed" in stage.refused(origin, 409)[1]
    [row] = stage.webhooks.base.rows("SELECT replays FROM replay_counts WHERE origin_id = %s", [origin])
    assert row["replays"] == 2, "what is refused does not count"


def test_what_may_not_be_replayed_is_refused_with_its_reason_and_leaves_no_trace(stage: ReplayStage) -> None:
    base = stage.webhooks.base
    webhook = create(stage)
    origin = stage.accept(webhook, ALERT)
    stage.logged(origin)
    path = f"/inbound-webhooks/{webhook['id']}/deliveries/{origin}/replay"
    other = base.other_tenant.headers
    assert stage.call("POST", f"/events/{origin}/replay", expected_status=404, headers=other)["error"]["code"]
    assert stage.call("POST", path, expected_status=404, headers=other)["error"]["code"] == "not_found"
    elsewhere = create(stage)
    stage.call("POST", path.replace(webhook["id"], elsewhere["id"]), expected_status=404)
    reader = bearer(base.new_key("delivery:read", "inbound_webhook:update"))
    denied = stage.call("POST", path, expected_status=403, headers=reader)
    assert "inbound_webhook:replay" in denied["error"]["message"]
    assert stage.refused(str(uuid.uuid4()), 404)[0] == "not_found"
    rejection_id = str(uuid.uuid4())
    members = {"tenant_id": str(base.tenant.id), "webhook_id": webhook["id"]}
    keep(stage.clickhouse, rejections=[rejection_record(rejection_id, now_us(), **members)])
    code, message = stage.refused(rejection_id, 404)
    assert (code, message) == (
        "not_found",
        f"{rejection_id} is a rejected request: what was not accepted is never replayed",
    )
    stage.call("PATCH", f"/inbound-webhooks/{webhook['id']}", json={"is_active": False})
    assert stage.refused(origin, 409) == ("webhook_inactive", f"its webhook {webhook['id']} is not active")
    assert base.call("DELETE", f"/inbound-webhooks/{webhook['id']}").status_code == 204
    assert stage.refused(origin, 409) == ("webhook_inactive", f"its webhook {webhook['id']} was deleted")
    assert base.rows("SELECT 1 FROM replay_counts WHERE origin_id = %s", [origin]) == []
    assert base.rows("SELECT 1 FROM delivery_replays WHERE origin_id = %s", [origin]) == []
