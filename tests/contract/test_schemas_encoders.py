"""The hot paths write JSON without the models' cost; here every one of them is held to its model."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import topics
from infra.entities.outbox import Cause, outbox_row
from infra.requests.headers import StoredHeaders
from ingress.core.facts import request_facts
from ingress.core.http1 import Head
from ingress.rejections import Rejected, RejectionLog
from management.domain_events.relay import event_record
from management.domain_events.repository import WaitingEvent
from processors.core.outputs import RecordOrigin, action_request, delivery_record
from schemas import headers as record_headers
from schemas.encoding import record_bytes
from schemas.headers import DeliveryHeaders, Replay
from schemas.records import (
    ActionRequest,
    DeliveryRecord,
    DispatchStatus,
    DomainEvent,
    ErrorCode,
    RejectionRecord,
    RequestFacts,
)
from schemas.webhooks import ActionHandler, HmacAuth, SealedSecret, WebhookConfig, WorkflowHandler

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
#: What a record says of each type of handler.
HANDLERS = {None: (None, None), "direct_action": ("action", "createTicket"), "workflow": ("workflow", None)}
TIMES = st.integers(0, 2**53)
#: Integers beyond 64 bits included: a mapping may compute them, and the fast encoder refuses them.
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
DELIVERIES = st.builds(
    DeliveryHeaders,
    delivery_id=TEXT,
    tenant_id=TEXT,
    webhook_id=TEXT,
    config_version=st.integers(1, 2**31),
    received_at_us=TIMES,
    request=st.just(b"{}"),
    dedupe_key=st.none() | TEXT,
    traceparent=st.none() | st.just("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    replay=st.none() | st.builds(Replay, TEXT, TEXT, st.sampled_from(["redrive", "fill"]), st.just(1)),
    is_test=st.booleans(),
)
ORIGINS = st.builds(RecordOrigin, TEXT, st.integers(0, 511), st.integers(0, 2**62), TEXT)
LATIN = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20)


def _config(action: str, options: dict[str, Any], priority: int) -> WebhookConfig:
    return WebhookConfig(
        tenant_id="t",
        tenant_slug="demo",
        webhook_id="w",
        slug="rmm-alerts",
        name="RMM alerts",
        version=7,
        auth_config=HmacAuth(secrets=(SealedSecret(sealed="v1.k.c"),)),
        handler_config=ActionHandler(action=action, field_mapping={}, options=options),
        priority=priority,
    )


@given(
    headers=DELIVERIES,
    fields=st.dictionaries(TEXT, JSON_VALUES, max_size=4),
    origin=ORIGINS,
    release_key=st.none() | st.binary(min_size=16, max_size=16),
    hops=st.integers(0, 9),
    priority=st.integers(0, 3),
    warnings=st.lists(TEXT, max_size=2),
    metadata=st.dictionaries(TEXT, JSON_VALUES, max_size=2),
)
def test_an_action_request_is_what_the_model_reads(
    headers: DeliveryHeaders,
    fields: dict[str, Any],
    origin: RecordOrigin,
    release_key: bytes | None,
    hops: int,
    priority: int,
    warnings: list[str],
    metadata: dict[str, Any],
) -> None:
    config = _config("createTicket", {"on_existing": "update"}, priority)
    handler = config.handler_config
    assert isinstance(handler, ActionHandler)
    value = action_request(
        config,
        handler,
        headers,
        fields,
        origin=origin,
        release_key=release_key,
        hops=hops,
        warnings=warnings,
        metadata=metadata,
    )
    read = ActionRequest.model_validate_json(value)
    assert set(json.loads(value)) == set(ActionRequest.model_fields)
    assert (read.fields, read.warnings, read.metadata) == (fields, warnings, metadata)
    assert read.options == handler.options
    assert read.origin.model_dump() == origin._asdict()
    assert read.release_key == (None if release_key is None else release_key.hex())
    assert (read.delivery_id, read.tenant_id, read.webhook_id) == headers[:3]
    assert (read.config_version, read.webhook_slug, read.hops, read.priority) == (7, "rmm-alerts", hops, priority)
    assert read.replay_id == (None if headers.replay is None else headers.replay.replay_id)
    assert read.replayed_from == (None if headers.replay is None else headers.replay.replay_of)
    assert (read.is_test, read.received_at) == (headers.is_test, headers.received_at_us)


@given(
    event_type=st.sampled_from(["ticket.created", "bell.rung"]),
    actor_type=st.sampled_from(["webhook", "user", "api_key", "system"]),
    name=TEXT,
    hops=st.integers(0, 1_001),
    replayed_from=st.none() | st.uuids().map(str),
    data=st.dictionaries(TEXT, JSON_VALUES, max_size=4),
    changes=st.dictionaries(TEXT, st.fixed_dictionaries({"previous": JSON_VALUES, "new": JSON_VALUES}), max_size=2),
)
def test_a_domain_event_is_what_the_model_reads(
    event_type: str,
    actor_type: str,
    name: str,
    hops: int,
    replayed_from: str | None,
    data: dict[str, Any],
    changes: dict[str, Any],
) -> None:
    occurred_at = datetime(2026, 1, 1, 12, 30, 15, 250_000, tzinfo=UTC)
    event_id, tenant_id, entity_id, causation_id = (uuid4() for _ in range(4))
    actor = {"type": actor_type, "id": str(uuid4()), "name": name}
    row = outbox_row(
        event_type,
        event_id=event_id,
        occurred_at=occurred_at,
        tenant_id=tenant_id,
        entity_type="ticket",
        entity_id=entity_id,
        cause=Cause(actor, str(causation_id), hops, replayed_from),
        data=data,
        changes=changes,
    )
    value = record_bytes(row["payload"])
    read = DomainEvent.model_validate_json(value)
    assert list(json.loads(value)) == list(DomainEvent.model_fields)
    assert (read.event_id, read.tenant_id, read.entity_id) == (str(event_id), str(tenant_id), str(entity_id))
    assert (read.type, read.entity_type, read.hops, read.replayed_from) == (event_type, "ticket", hops, replayed_from)
    assert (read.actor.model_dump(), read.causation_id) == (actor, str(causation_id))
    assert read.occurred_at == "2026-01-01T12:30:15.250Z"
    assert (read.data, {field: change.model_dump() for field, change in read.changes.items()}) == (data, changes)
    waiting = WaitingEvent(
        tenant_id=tenant_id,
        event_id=event_id,
        event_type=event_type,
        entity_id=entity_id,
        created_at=0.0,
        size_bytes=len(value),
        hops=str(hops),
        payload=value.decode(),
    )
    record = event_record(waiting)
    assert record is not None
    assert (record.key, record.value) == (f"{tenant_id}/{entity_id}".encode(), value)
    assert dict(record.headers) == {
        record_headers.TENANT_ID: str(tenant_id).encode(),
        record_headers.EVENT_TYPE: event_type.encode(),
        record_headers.HOPS: str(hops).encode(),
    }


@given(
    headers=DELIVERIES,
    status=st.sampled_from(DispatchStatus),
    recorded_at_us=TIMES,
    error=st.none()
    | st.fixed_dictionaries(
        {"code": st.sampled_from([*map(str, ErrorCode)]), "message": TEXT, "path": st.none() | TEXT}
    ),
    duplicate_of=st.none() | TEXT,
    outcome=st.none() | st.dictionaries(TEXT, JSON_VALUES, max_size=3),
    metadata=st.none() | st.dictionaries(TEXT, JSON_VALUES, min_size=1, max_size=3),
    handler=st.sampled_from(
        [None, ActionHandler(action="createTicket", field_mapping={}), WorkflowHandler(workflow_id="w")]
    ),
)
def test_a_delivery_record_is_what_the_model_reads(
    headers: DeliveryHeaders,
    status: DispatchStatus,
    recorded_at_us: int,
    error: dict[str, Any] | None,
    duplicate_of: str | None,
    outcome: dict[str, Any] | None,
    metadata: dict[str, Any] | None,
    handler: ActionHandler | WorkflowHandler | None,
) -> None:
    value = delivery_record(
        headers,
        status,
        recorded_at_us,
        error=error,
        duplicate_of=duplicate_of,
        outcome=outcome,
        metadata=metadata,
        handler=handler,
    )
    read = DeliveryRecord.model_validate_json(value)
    assert read.metadata == metadata
    assert (read.handler, read.action) == HANDLERS[None if handler is None else handler.type]
    assert set(json.loads(value)) == set(DeliveryRecord.model_fields)
    assert (read.dispatch_status, read.recorded_at, read.stage) == (status, recorded_at_us, "processors")
    assert (None if read.error is None else read.error.model_dump()) == error
    assert (read.duplicate_of, read.handler_outcome) == (duplicate_of, outcome)
    assert read.replayed_from == (None if headers.replay is None else headers.replay.replay_of)
    assert read.trace_id == (None if headers.traceparent is None else "4bf92f3577b34da6a3ce929d0e0e4736")


@given(
    method=st.sampled_from(["POST", "PUT", "PATCH"]),
    path=LATIN,
    query=st.sampled_from(["", "a=1&b=2", "token=hidden&a=%C3%A9", "=", "&&", "a=1&a=2"]),
    names=st.dictionaries(st.sampled_from(["user-agent", "content-type", "x-acme", "authorization", "x-sig"]), LATIN),
    ingress_us=st.integers(0, 10**9),
    invalid_json=st.booleans(),
    redact_paths=st.lists(TEXT, max_size=2),
    priority=st.integers(0, 3),
)
def test_request_facts_are_what_the_model_reads_and_hold_no_proof(
    method: str,
    path: str,
    query: str,
    names: dict[str, str],
    ingress_us: int,
    *,
    invalid_json: bool,
    redact_paths: list[str],
    priority: int,
) -> None:
    head = Head(method, path, query, names, keep_alive=True, content_length=0)
    stored = StoredHeaders("X-Sig")
    value = request_facts(
        head,
        stored,
        "203.0.113.7",
        ingress_us,
        invalid_json=invalid_json,
        redact_paths=tuple(redact_paths),
        priority=priority,
    )
    read = RequestFacts.model_validate_json(value)
    written = set(json.loads(value))
    assert written == set(RequestFacts.model_fields) - (set() if redact_paths else {"redact_paths"})
    assert (read.redact_paths, read.priority) == (redact_paths, priority)
    assert (read.method, read.path, read.ingress_us, read.invalid_json) == (method, path, ingress_us, invalid_json)
    assert (read.user_agent, read.content_type) == (names.get("user-agent"), names.get("content-type"))
    assert not {"authorization", "x-sig"} & set(read.headers)
    assert "token" not in read.query


@pytest.mark.parametrize(("tenant_id", "webhook_id"), [("t", "w"), (None, None)])
def test_rejections_are_what_the_model_reads_and_a_flood_is_counted_into_one(
    tenant_id: str | None, webhook_id: str | None
) -> None:
    bridge, tally = Mock(), Mock(rejections_folded=0, rejections_dropped=0)
    log = RejectionLog(bridge, tally, per_second_max=2, keys_max=10)
    headers = {"user-agent": "acme/1", "authorization": "Bearer hidden", "x-api-key": "hidden"}
    head = Head("POST", "/api/inbound/demo/" + "x" * 2_000, "token=hidden", headers, keep_alive=True, content_length=0)
    for _ in range(7):
        log.record(
            Rejected(head, "203.0.113.7", "rejected_signature", tenant_id, webhook_id, 1_750_000_000_000_000), None
        )
    log.end_second()
    sent = [call.args for call in bridge.send_unawaited.call_args_list]
    read = [RejectionRecord.model_validate_json(value) for _, _, value in sent]
    assert {topic for topic, _, _ in sent} == {topics.REJECTED}
    assert {key for _, key, _ in sent} == {(webhook_id or "").encode()}
    assert all(set(json.loads(value)) == set(RejectionRecord.model_fields) for _, _, value in sent)
    assert sum(record.count for record in read) == 7
    assert len({record.rejection_id for record in read}) == len(read)
    assert b"hidden" not in b"".join(value for _, _, value in sent)
