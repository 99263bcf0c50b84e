"""The processors' decisions on a real RocksDB partition."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.topics import ACTIONS, RECORDED, RELEASED, REQUEST_DEAD_LETTERS
from infra.webhooks import Webhook
from schemas import headers as record_headers
from schemas.keys import request_key
from schemas.records import ActionRequest, DeadLetter, DeliveryRecord, KeyReleased
from schemas.webhooks import ActionHandler, EventValidation
from tests.support.pipeline import PipelineUnderTest, Record
from tests.support.requests import TENANT_ID, WEBHOOK_ID, Request, alert_body, alert_request, webhook_config

_SECOND = 1_000_000
_T0 = 1_790_000_000 * _SECOND


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineUnderTest:
    return PipelineUnderTest(tmp_path, webhook_config())


def _release(request: Request) -> Record:
    released = KeyReleased(
        delivery_id=request.delivery_id, tenant_id=TENANT_ID, webhook_id=WEBHOOK_ID, released_at=_T0, reason="CONFLICT"
    )
    key = request_key(TENANT_ID, WEBHOOK_ID, request.dedupe_key)
    return Record({"key": key, "value": released.model_dump_json().encode()}, 0, RELEASED)


async def test_a_request_becomes_one_action_with_its_mapped_fields(pipeline: PipelineUnderTest) -> None:
    request = alert_request("a-1")
    outbox = await pipeline.receive(request)
    action = ActionRequest.model_validate(outbox.values(ACTIONS)[0])
    assert len(outbox.sent) == 1
    assert action.delivery_id == request.delivery_id
    assert action.fields == {
        "title": "Disk C: is 97% full on ACME-DC01",
        "description": "Host ACME-DC01 reports disk",
        "priority_id": "Critical",
        "external_id": "a-1",
        "client_id": "Acme Ltd",
    }
    assert action.release_key == request_key(TENANT_ID, WEBHOOK_ID, "a-1").hex()
    assert (action.origin.topic, action.origin.partition, action.origin.offset) == (
        "webhooks.request.received.v1",
        0,
        0,
    )


@pytest.mark.parametrize(
    ("header", "hops"),
    [
        (None, 0),
        *(("0", 0), ("3", 3), ("007", 7), ("1000", 1_000)),
        *(("1001", 1_000), ("9" * 5_000, 1_000), ("0" * 5_000, 0)),
        *(("", 0), ("-1", 0), ("+1", 0), ("1.0", 0), (" 2", 0), ("two", 0), ("٣", 0), ("3, 4", 0)),
    ],
    ids=str,
)
async def test_hops_are_those_of_the_requests_header_as_far_as_it_is_a_number(
    pipeline: PipelineUnderTest, header: str | None, hops: int
) -> None:
    request = alert_request("a-1")
    headers = record_headers.decode(request.message["headers"])
    facts = json.loads(headers.request)
    facts["headers"] |= {"x-other": '"hookline-hops"'} if header is None else {record_headers.HOPS: header}
    raw = record_headers.encode(headers._replace(request=json.dumps(facts).encode()))
    outbox = await pipeline.receive(request._replace(message=request.message | {"headers": raw}))
    assert ActionRequest.model_validate(outbox.values(ACTIONS)[0]).hops == hops


async def test_the_trace_context_and_the_delivery_travel_as_headers(pipeline: PipelineUnderTest) -> None:
    request = alert_request("a-1")
    outbox = await pipeline.receive(request)
    carried = dict(outbox.sent[0][1]["headers"])
    original = record_headers.decode(request.message["headers"])
    assert original.traceparent is not None
    assert carried["traceparent"] == original.traceparent.encode()
    assert carried["hookline-delivery-id"] == request.delivery_id.encode()


@pytest.mark.parametrize("same_batch", [True, False])
async def test_a_repeat_inside_the_window_is_a_duplicate_that_names_the_first(
    pipeline: PipelineUnderTest, same_batch: bool
) -> None:
    first, second = alert_request("a-1"), alert_request("a-1")
    if same_batch:
        outbox = await pipeline.receive(first, second)
    else:
        await pipeline.receive(first)
        outbox = await pipeline.receive(second)
    record = DeliveryRecord.model_validate(outbox.values(RECORDED)[0])
    assert record.dispatch_status == "duplicate"
    assert (record.delivery_id, record.duplicate_of) == (second.delivery_id, first.delivery_id)
    assert len(outbox.values(ACTIONS)) == (1 if same_batch else 0)


async def test_a_repeat_after_the_window_runs_again(tmp_path: Path) -> None:
    pipeline = PipelineUnderTest(tmp_path, webhook_config(idempotency_window_seconds=60))
    await pipeline.receive(alert_request("a-1", received_at_us=_T0))
    inside = await pipeline.receive(alert_request("a-1", received_at_us=_T0 + 59 * _SECOND))
    outside = await pipeline.receive(alert_request("a-1", received_at_us=_T0 + 60 * _SECOND))
    assert (len(inside.values(ACTIONS)), len(outside.values(ACTIONS))) == (0, 1)


async def test_a_record_met_again_after_a_crash_is_emitted_again_under_the_same_identity(
    pipeline: PipelineUnderTest,
) -> None:
    records = pipeline.records(alert_request("a-1"), alert_request("a-2"))
    first = await pipeline.process(records)
    again = await pipeline.process(records)
    assert [value["delivery_id"] for value in again.values(ACTIONS)] == [
        value["delivery_id"] for value in first.values(ACTIONS)
    ]
    assert again.values(RECORDED) == []


async def test_a_mapping_failure_is_recorded_with_the_field_and_leaves_the_key_free(tmp_path: Path) -> None:
    mapping = {"title": "$error('no message')", "client_id": "organization.name"}
    handler = ActionHandler(action="createTicket", field_mapping=mapping)
    pipeline = PipelineUnderTest(tmp_path, webhook_config(handler_config=handler))
    failed = DeliveryRecord.model_validate((await pipeline.receive(alert_request("a-1"))).values(RECORDED)[0])
    assert failed.error is not None
    assert (failed.error.code, failed.error.path) == ("MAPPING_FAILED", "field_mapping.title")
    assert "title" in failed.error.message
    assert "no message" in failed.error.message
    pipeline.webhooks.configs[pipeline.webhook_key()] = Webhook(webhook_config(version=2), ())
    retried = await pipeline.receive(alert_request("a-1"))
    assert len(retried.values(ACTIONS)) == 1


async def test_a_value_of_the_wrong_type_is_a_validation_error_with_its_path(tmp_path: Path) -> None:
    mapping = {"title": "device", "client_id": "organization.name"}
    handler = ActionHandler(action="createTicket", field_mapping=mapping)
    pipeline = PipelineUnderTest(tmp_path, webhook_config(handler_config=handler))
    record = DeliveryRecord.model_validate((await pipeline.receive(alert_request("a-1"))).values(RECORDED)[0])
    assert record.error is not None
    assert (record.error.code, record.error.path) == ("VALIDATION_ERROR", "field_mapping.title")


@pytest.mark.parametrize("body", [b'{"alert": ', b"\xff\xfe{}", b"not json"])
async def test_a_body_that_is_not_json_is_recorded_as_such(pipeline: PipelineUnderTest, body: bytes) -> None:
    outbox = await pipeline.receive(alert_request("a-1", body=body))
    record = DeliveryRecord.model_validate(outbox.values(RECORDED)[0])
    assert record.error is not None
    assert record.error.code == "INVALID_JSON"


async def test_a_form_is_mapped_as_an_object(tmp_path: Path) -> None:
    mapping = {"title": "message", "client_id": "client"}
    handler = ActionHandler(action="createTicket", field_mapping=mapping)
    pipeline = PipelineUnderTest(tmp_path, webhook_config(handler_config=handler))
    request = alert_request("a-1", body=b"message=Disk+full&client=Acme+Ltd")
    headers = record_headers.decode(request.message["headers"])
    content_type = b'"content_type":"application/x-www-form-urlencoded"'
    facts = headers.request.replace(b'"content_type":"application/json"', content_type)
    message = request.message | {"headers": record_headers.encode(headers._replace(request=facts))}
    outputs = await pipeline.receive(request._replace(message=message))
    assert outputs.values(ACTIONS)[0]["fields"] == {"title": "Disk full", "client_id": "Acme Ltd"}


async def test_an_action_that_is_not_installed_is_action_unknown(tmp_path: Path) -> None:
    handler = ActionHandler(action="launchRocket", field_mapping={"title": "alert.message"})
    pipeline = PipelineUnderTest(tmp_path, webhook_config(handler_config=handler))
    record = DeliveryRecord.model_validate((await pipeline.receive(alert_request("a-1"))).values(RECORDED)[0])
    assert record.error is not None
    assert record.error.code == "ACTION_UNKNOWN"
    assert "launchRocket" in record.error.message


async def test_a_released_key_lets_the_senders_retry_run(pipeline: PipelineUnderTest) -> None:
    request = alert_request("a-1")
    await pipeline.receive(request)
    await pipeline.process([_release(request)])
    assert len((await pipeline.receive(alert_request("a-1"))).values(ACTIONS)) == 1


async def test_a_late_release_does_not_free_a_key_that_a_newer_request_holds(pipeline: PipelineUnderTest) -> None:
    first, second = alert_request("a-1"), alert_request("a-1")
    await pipeline.receive(first)
    await pipeline.process([_release(first)])
    await pipeline.receive(second)
    await pipeline.process([_release(first)])
    assert len((await pipeline.receive(alert_request("a-1"))).values(ACTIONS)) == 0


async def test_a_record_without_its_headers_is_a_dead_letter_with_stage_and_origin(pipeline: PipelineUnderTest) -> None:
    good = alert_request("a-2")
    bad = Record({"key": b"k", "value": b"exact bytes", "headers": [("hookline-tenant-id", b"x")]}, 0)
    records = [bad, Record(good.message, 1)]
    outbox = await pipeline.process(records)
    letters = [message for topic, message in outbox.sent if topic == REQUEST_DEAD_LETTERS]
    letter = DeadLetter.model_validate_json(dict(letters[0]["headers"])[record_headers.DEAD_LETTER])
    assert letters[0]["value"] == b"exact bytes"
    assert (letter.stage, letter.origin.offset) == ("processors", 0)
    assert "hookline-delivery-id" in letter.message
    assert len(outbox.values(ACTIONS)) == 1


async def test_a_request_without_a_key_is_never_a_duplicate(pipeline: PipelineUnderTest) -> None:
    def without_key(request: Request) -> Request:
        headers = [pair for pair in request.message["headers"] if pair[0] != record_headers.DEDUPE_KEY]
        return request._replace(message=request.message | {"headers": headers})

    outbox = await pipeline.receive(without_key(alert_request("a-1")), without_key(alert_request("a-1")))
    actions = [ActionRequest.model_validate(value) for value in outbox.values(ACTIONS)]
    assert [action.release_key for action in actions] == [None, None]


async def test_one_tenants_key_is_not_anothers(pipeline: PipelineUnderTest) -> None:
    other = "01980000-0000-7000-8000-00000000000f"
    pipeline.webhooks.configs[other, WEBHOOK_ID] = Webhook(webhook_config(), ())
    await pipeline.receive(alert_request("a-1"))
    foreign = alert_request("a-1")
    headers = [
        (name, other.encode() if name == record_headers.TENANT_ID else value)
        for name, value in foreign.message["headers"]
    ]
    outbox = await pipeline.receive(foreign._replace(message=foreign.message | {"headers": headers}))
    assert len(outbox.values(ACTIONS)) == 1


async def test_expired_entries_are_swept_in_slices_on_ingress_time(tmp_path: Path) -> None:
    pipeline = PipelineUnderTest(tmp_path, webhook_config(idempotency_window_seconds=60), expiry_slice_keys=4)
    await pipeline.receive(*[alert_request(f"old-{n}", received_at_us=_T0) for n in range(10)])
    assert pipeline.sweep() == 0
    await pipeline.receive(alert_request("new", received_at_us=_T0 + 121 * _SECOND))
    assert sum(pipeline.sweep() for _ in range(8)) == 10
    assert len(pipeline.table.scan(b"", 100)) == 1


@pytest.mark.parametrize("engine", ["jlens", "jsonata-python"])
async def test_both_engines_map_alike_and_time_is_fixed_by_the_request(tmp_path: Path, engine: str) -> None:
    mapping = {
        "title": "alert.message & ' ' & $now()",
        "description": "$headers.'content-type' & $string($kafka.offset) & $delivery.idempotency_key",
        "client_id": "organization.name",
    }
    handler = ActionHandler(action="createTicket", field_mapping=mapping)
    pipeline = PipelineUnderTest(tmp_path, webhook_config(handler_config=handler), mapping_engine=engine)
    outbox = await pipeline.receive(alert_request("a-1", received_at_us=_T0))
    fields = outbox.values(ACTIONS)[0]["fields"]
    assert fields["title"] == "Disk C: is 97% full on ACME-DC01 2026-09-21T14:13:20.000Z"
    assert fields["description"] == "application/json0a-1"


CRITICAL_ONLY = {"all": [{"field": "$.alert.severity", "operator": "equals", "value": "critical"}]}


def _severity(severity: str) -> bytes:
    return alert_body("a-1").replace(b'"critical"', f'"{severity}"'.encode())


async def test_a_filtered_request_is_recorded_with_its_rule_and_leaves_the_key_free(tmp_path: Path) -> None:
    pipeline = PipelineUnderTest(tmp_path, webhook_config(filters=CRITICAL_ONLY))
    outbox = await pipeline.receive(alert_request("a-1", body=_severity("info")))
    record = DeliveryRecord.model_validate(outbox.values(RECORDED)[0])
    assert (record.dispatch_status, record.stage, record.error) == ("filtered", "processors", None)
    assert record.handler_outcome == {"stopped_by": {"path": "filters.all.0", "rule": CRITICAL_ONLY["all"][0]}}
    assert outbox.values(ACTIONS) == []
    later = await pipeline.receive(alert_request("a-1"), alert_request("a-1", body=_severity("info")))
    assert len(later.values(ACTIONS)) == 1
    [repeated] = later.values(RECORDED)
    assert repeated["dispatch_status"] == "duplicate", "a key that was seen is looked up before the filters"


async def test_a_filter_that_fails_is_a_failed_delivery_with_its_path(tmp_path: Path) -> None:
    pipeline = PipelineUnderTest(tmp_path, webhook_config(filters={"all": [{"jsonata": "alert.message + 1"}]}))
    outbox = await pipeline.receive(alert_request("a-1"))
    record = DeliveryRecord.model_validate(outbox.values(RECORDED)[0])
    assert record.error is not None
    assert (record.error.code, record.error.path) == ("MAPPING_FAILED", "filters.all.0.jsonata")
    assert len(pipeline.table.scan(b"", 10)) == 0


def _validation(mode: str) -> dict[str, Any]:
    json_schema = {"required": ["site"], "properties": {"alert": {"properties": {"id": {"type": "integer"}}}}}
    return {"mode": mode, "event_type": "rmm.alert", "event_version": 3, "json_schema": json_schema}


async def test_validation_in_the_mode_reject_fails_the_delivery(tmp_path: Path) -> None:
    config = webhook_config(validation=EventValidation.model_validate(_validation("reject")))
    pipeline = PipelineUnderTest(tmp_path, config)
    outbox = await pipeline.receive(alert_request("a-1"))
    record = DeliveryRecord.model_validate(outbox.values(RECORDED)[0])
    assert record.error is not None
    assert (record.dispatch_status, record.error.code, record.error.path) == (
        "failed",
        "VALIDATION_ERROR",
        "validation",
    )
    assert "rmm.alert version 3" in record.error.message
    assert "/alert/id" in record.error.message
    assert len(pipeline.table.scan(b"", 10)) == 0


async def test_validation_in_the_mode_warn_travels_with_the_action(tmp_path: Path) -> None:
    config = webhook_config(validation=EventValidation.model_validate(_validation("warn")))
    pipeline = PipelineUnderTest(tmp_path, config)
    outbox = await pipeline.receive(alert_request("a-1"))
    action = ActionRequest.model_validate(outbox.values(ACTIONS)[0])
    assert len(action.warnings) == 2
    assert all(warning.startswith("rmm.alert version 3: ") for warning in action.warnings)
    assert outbox.values(RECORDED) == []


async def test_warnings_stand_in_the_outcome_of_a_delivery_that_fails_afterwards(tmp_path: Path) -> None:
    handler = ActionHandler(action="createTicket", field_mapping={"title": "$error('no')"})
    validation = EventValidation.model_validate(_validation("warn"))
    pipeline = PipelineUnderTest(tmp_path, webhook_config(handler_config=handler, validation=validation))
    record = DeliveryRecord.model_validate((await pipeline.receive(alert_request("a-1"))).values(RECORDED)[0])
    assert record.handler_outcome is not None
    assert len(record.handler_outcome["warnings"]) == 2


async def test_a_test_request_neither_swallows_a_real_one_nor_is_swallowed(pipeline: PipelineUnderTest) -> None:
    test, real, again = alert_request("a-1", is_test=True), alert_request("a-1"), alert_request("a-1")
    outbox = await pipeline.receive(test, test, real, again, test)
    actions = [ActionRequest.model_validate(value) for value in outbox.values(ACTIONS)]
    assert [action.is_test for action in actions] == [True, True, False, True]
    assert [action.release_key is None for action in actions] == [True, True, False, True]
    assert [value["dispatch_status"] for value in outbox.values(RECORDED)] == ["duplicate"]
