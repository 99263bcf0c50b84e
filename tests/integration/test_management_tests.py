"""Tests of webhooks through the real pipeline, dry runs that say what it would do, and previews."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import orjson
import pytest

from hookline.embedded.postgres import PostgresServer
from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.ids import uuid7_text
from infra.kafka import Outbox, PolledProducer
from infra.settings import Settings
from infra.topics import ACTIONS, EXPEDITED_ACTIONS, RECEIVED, RECORDED
from management.role import ManagementRole
from schemas import headers as record_headers
from schemas.headers import DeliveryHeaders
from schemas.keys import request_key
from schemas.records import RequestFacts
from tests.support.management import running_management
from tests.support.processors import read_all
from tests.support.wait import eventually
from tests.support.webhook_stage import ALERT, ALERT_MAPPING, WORKER, WebhookStage, webhook_stage

WAIT_SECONDS = 60.0
SECRET = "open-sesame-open-sesame"
ACTION = {"action": "createTicket", "field_mapping": ALERT_MAPPING}


@pytest.fixture(scope="module")
def stage(
    postgres: PostgresServer, clickhouse_engine: ClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebhookStage]:
    folder = tmp_path_factory.mktemp("testing")
    with webhook_stage(postgres.dsn, clickhouse_engine, folder) as running:
        running.await_processors(members=1)
        yield running


def records_of(stage: WebhookStage, topic: str, delivery_id: str) -> list[dict[str, Any]]:
    return [value for value in read_all(stage.base.settings.kafka, topic) if value["delivery_id"] == delivery_id]


def receive(stage: WebhookStage, webhook: dict[str, Any], body: object, dedupe_key: str | None) -> str:
    """A request as the receiver writes one; its delivery id."""
    at_us = now_us()
    delivery_id, tenant_id = uuid7_text(at_us), str(stage.base.tenant.id)
    facts = RequestFacts(method="POST", path="/", source_ip="10.0.0.1", content_type="application/json")
    headers = DeliveryHeaders(
        delivery_id,
        tenant_id,
        webhook["id"],
        webhook["version"],
        at_us,
        facts.model_dump_json().encode(),
        dedupe_key,
    )
    producer = PolledProducer(stage.base.settings.kafka, client_id="test", ack_timeout_seconds=20)
    outbox = Outbox(producer)
    outbox.send(
        RECEIVED,
        key=request_key(tenant_id, webhook["id"], dedupe_key or delivery_id),
        value=orjson.dumps(body),
        headers=record_headers.encode(headers),
    )
    outbox.wait(20)
    producer.close(5)
    return delivery_id


def test_a_test_makes_a_real_ticket_and_answers_with_the_finished_delivery(stage: WebhookStage) -> None:
    webhook = stage.create(idempotency_source={"type": "jsonata", "value": "alert.id"})
    delivery = stage.send(webhook, body=ALERT, headers={"X-Event": "raised"}, query={"site": "north"})
    assert delivery["dispatch_status"] == "dispatched"
    assert delivery["is_test"] is True
    assert delivery["waiting_for"] == []
    assert delivery["webhook_is_active"] is True
    assert delivery["idempotency_key"] == "a-1"
    assert delivery["request"]["headers"] == {"x-event": "raised", "content-type": "application/json"}
    assert delivery["request"]["query"] == {"site": "north"}
    assert orjson.loads(delivery["request"]["body"]) == ALERT
    ticket_id = delivery["handler_outcome"]["entity_id"]
    [ticket] = stage.base.rows("SELECT title FROM tickets WHERE id = %s", [ticket_id])
    assert ticket == {"title": "Disk full"}


def test_the_same_event_tested_twice_is_no_duplicate_and_a_real_one_after_it_runs(stage: WebhookStage) -> None:
    webhook = stage.create(idempotency_source={"type": "jsonata", "value": "alert.id"})
    first, second = stage.send(webhook, body=ALERT), stage.send(webhook, body=ALERT)
    assert first["handler_outcome"]["entity_id"] != second["handler_outcome"]["entity_id"]
    real = receive(stage, webhook, ALERT, "a-1")
    [outcome] = eventually(
        lambda: records_of(stage, RECORDED, real), timeout_seconds=WAIT_SECONDS, what="the outcome of the real event"
    )
    assert outcome["dispatch_status"] == "dispatched"
    assert stage.send(webhook, body=ALERT)["dispatch_status"] == "dispatched"


def test_an_external_id_that_is_mapped_already_is_answered_as_the_conflict_it_is(stage: WebhookStage) -> None:
    mapping = {**ALERT_MAPPING, "external_id": "alert.id"}
    webhook = stage.create(handler_config={**ACTION, "field_mapping": mapping})
    assert stage.send(webhook, body=ALERT)["dispatch_status"] == "dispatched"
    again = stage.send(webhook, body=ALERT)
    assert again["dispatch_status"] == "failed"
    assert again["error"]["code"] == "CONFLICT"


def test_an_urgent_webhook_is_tested_through_the_expedited_topic(stage: WebhookStage) -> None:
    delivery = stage.send(stage.create(priority=3), body=ALERT)
    assert delivery["dispatch_status"] == "dispatched"
    [action] = records_of(stage, EXPEDITED_ACTIONS, delivery["delivery_id"])
    assert action["origin"]["topic"] == "webhooks.request.expedited.v1"
    assert action["is_test"] is True


def test_an_inactive_webhook_can_be_tested_and_the_answer_says_so(stage: WebhookStage) -> None:
    delivery = stage.send(stage.create(is_active=False), body=ALERT)
    assert delivery["dispatch_status"] == "dispatched"
    assert delivery["webhook_is_active"] is False


def test_text_that_is_no_json_fails_as_it_would_for_a_sender(stage: WebhookStage) -> None:
    delivery = stage.send(stage.create(), text="{not json")
    assert delivery["dispatch_status"] == "failed"
    assert delivery["error"]["code"] == "INVALID_JSON"
    assert delivery["response_status"] == 400


def test_a_form_is_tested_as_text(stage: WebhookStage) -> None:
    webhook = stage.create(handler_config={**ACTION, "field_mapping": {"title": "title", "client_id": "client"}})
    form = "title=Disk+full&client=Acme+Ltd"
    delivery = stage.send(webhook, text=form, content_type="application/x-www-form-urlencoded")
    assert delivery["dispatch_status"] == "dispatched"
    assert delivery["request"]["body"] == form


BAD_TYPE = {**ALERT_MAPPING, "due_date": "alert.message", "priority_id": "{'a': 1}"}
FILTERS = {"all": [{"field": "$.alert.id", "operator": "equals", "value": "other"}]}
CASES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"body": ALERT}, "dispatched"),
    ({"filters": FILTERS}, {"body": ALERT}, "filtered"),
    ({}, {"text": "{not json"}, "failed"),
    (
        {"handler_config": {**ACTION, "field_mapping": {**ALERT_MAPPING, "title": "$number(alert.message)"}}},
        {"body": ALERT},
        "failed",
    ),
    ({"handler_config": {**ACTION, "field_mapping": BAD_TYPE}}, {"body": ALERT}, "failed"),
    ({}, {"body": {"client": "Acme Ltd"}}, "failed"),
]


@pytest.mark.parametrize(
    ("settings", "given", "status"), CASES, ids=["ok", "filtered", "invalid", "mapping", "types", "required"]
)
def test_a_dry_run_says_what_the_pipeline_does(
    stage: WebhookStage, settings: dict[str, Any], given: dict[str, Any], status: str
) -> None:
    webhook = stage.create(**settings)
    dry, delivery = stage.send(webhook, **given, dry_run=True), stage.send(webhook, **given)
    assert delivery["dispatch_status"] == status
    assert dry["valid"] is (status == "dispatched")
    assert dry["problems"] == [] or status == "failed"
    if status == "dispatched":
        [action] = records_of(stage, ACTIONS, delivery["delivery_id"])
        assert without_time(dry["fields"]) == without_time(action["fields"])
    elif status == "filtered":
        assert dry["stopped_by"] == delivery["handler_outcome"]["stopped_by"]
        assert dry["stopped_by"]["path"] == "filters.all.0"
    else:
        error = delivery["error"]
        assert "; ".join(problem["message"] for problem in dry["problems"]) == error["message"]
        assert (dry["problems"][0]["path"] or None) == error["path"]
        assert dry["fields"] is None


def without_time(fields: dict[str, Any]) -> dict[str, Any]:
    assert fields["description"].startswith("seen at ")
    return {name: value for name, value in fields.items() if name != "description"}


def test_a_dry_run_has_no_effect(stage: WebhookStage) -> None:
    webhook = stage.create(idempotency_source={"type": "header", "value": "X-Id"}, ordering_key="alert.id")
    before = stage.base.rows("SELECT count(*) AS tickets FROM tickets")
    dry = stage.send(webhook, body=ALERT, headers={"x-id": " e-7 "}, dry_run=True)
    assert (dry["dedupe_key"], dry["ordering_key"], dry["warnings"]) == ("e-7", "a-1", [])
    assert stage.base.rows("SELECT count(*) AS tickets FROM tickets") == before
    assert all(value["webhook_id"] != webhook["id"] for value in read_all(stage.base.settings.kafka, RECORDED))


@pytest.fixture
def without_processors(stage: WebhookStage) -> Iterator[WebhookStage]:
    stage.workers.terminate(WORKER)
    stage.await_processors(members=0)
    yield stage
    if WORKER not in stage.workers.running():
        stage.workers.start(WORKER)
    stage.await_processors(members=1)


def waiting_for(stage: WebhookStage, seconds: float) -> Settings:
    """Settings of a role that waits so long for a test."""
    management = stage.base.settings.management.model_copy(update={"test_wait_seconds": seconds})
    return stage.base.settings.model_copy(update={"management": management})


def test_without_processors_tests_are_pending_and_name_them_and_few_wait_at_once(
    without_processors: WebhookStage, clickhouse_engine: ClickHouse
) -> None:
    stage, webhook = without_processors, without_processors.create()
    with running_management(waiting_for(stage, 3), clickhouse_engine) as api, ThreadPoolExecutor(6) as threads:

        def send(_: int) -> httpx.Response:
            path = f"/api/v1/inbound-webhooks/{webhook['id']}/test"
            return api.post(path, json={"body": ALERT}, headers=stage.base.tenant.headers)

        answers = sorted(threads.map(send, range(6)), key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in answers] == [202, 202, 202, 202, 202, 429]
    assert answers[0].json()["dispatch_status"] == "pending"
    assert answers[0].json()["waiting_for"] == [
        "processors: the request was not processed yet; none is running, or none has joined its group yet"
    ]
    assert answers[-1].headers["Retry-After"] == "1"
    stage.workers.start(WORKER)
    [outcome] = eventually(
        lambda: records_of(stage, RECORDED, answers[0].json()["delivery_id"]),
        timeout_seconds=WAIT_SECONDS,
        what="the pending test to be done once processors run again",
    )
    assert outcome["dispatch_status"] == "dispatched"


def test_a_process_that_ends_answers_its_waiting_tests_at_once(
    without_processors: WebhookStage, clickhouse_engine: ClickHouse
) -> None:
    base, webhook = without_processors.base, without_processors.create()
    role = ManagementRole(waiting_for(without_processors, 60), clickhouse_engine, [])
    role.start()
    address = f"http://127.0.0.1:{role.port}/api/v1/inbound-webhooks/{webhook['id']}/test"
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(httpx.post, address, json={"body": ALERT}, headers=base.tenant.headers, timeout=60)
        eventually(
            lambda: base.rows("SELECT 1 FROM webhook_tests WHERE webhook_id = %s", [webhook["id"]]),
            timeout_seconds=WAIT_SECONDS,
            what="the test to be on its way",
        )
        role.stop(30)
        assert answer.result(20).status_code == 202


def test_without_a_broker_a_test_is_refused_and_the_rest_of_the_api_works(
    stage: WebhookStage, clickhouse_engine: ClickHouse
) -> None:
    base = stage.base
    webhook = stage.create()
    path = f"/api/v1/inbound-webhooks/{webhook['id']}"
    alone = base.settings.model_copy(
        update={"kafka": base.settings.kafka.model_copy(update={"bootstrap": "127.0.0.1:1"})}
    )
    with running_management(alone, clickhouse_engine) as api:
        refused = api.post(f"{path}/test", json={"body": ALERT}, headers=base.tenant.headers)
        dry = api.post(f"{path}/test", json={"body": ALERT, "dry_run": True}, headers=base.tenant.headers)
        kept = api.get(f"{path}/tests", headers=base.tenant.headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
    assert dry.json()["valid"] is True
    assert [test["dry_run"] for test in kept.json()["data"]] == [True]


def test_a_kept_test_shows_what_came_back_and_the_audit_log_who_sent_it(stage: WebhookStage) -> None:
    webhook = stage.create()
    delivery = stage.send(webhook, body=ALERT)
    [kept] = stage.base.call("GET", f"/inbound-webhooks/{webhook['id']}/tests").json()["data"]
    assert kept["delivery_id"] == delivery["delivery_id"]
    assert kept["answer"] == {name: value for name, value in delivery.items() if name != "request"}
    [entry] = stage.base.rows(
        "SELECT after, actor FROM audit_entries WHERE action = 'inbound_webhook.tested' AND resource_id = %s",
        [webhook["id"]],
    )
    assert entry["after"] == {"delivery_id": delivery["delivery_id"]}
    assert entry["actor"]["type"] == "api_key"


def test_without_a_body_the_captured_sample_is_sent(stage: WebhookStage) -> None:
    webhook = stage.create()
    refused = stage.send(webhook, expected_status=400, dry_run=True)
    [problem] = refused["error"]["details"]
    assert problem == {"path": "body", "message": "is required: the webhook has no captured sample"}
    stage.base.write(
        "UPDATE webhooks SET sample_payload = %s, sample_captured_at = now() WHERE id = %s",
        [orjson.dumps(ALERT).decode(), webhook["id"]],
    )
    assert stage.send(webhook)["dispatch_status"] == "dispatched"
    assert stage.send(webhook, body=None, dry_run=True)["valid"] is False, "null is a body"
