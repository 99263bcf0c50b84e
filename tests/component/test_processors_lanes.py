"""Where actions go and under which key, what a duplicate says of the first, and what is measured."""

from pathlib import Path
from typing import Any

import pytest

from infra import metrics
from infra.topics import ACTIONS, EXPEDITED, EXPEDITED_ACTIONS, RECEIVED, RECORDED
from infra.webhooks import Webhook
from schemas import headers as record_headers
from schemas.headers import Replay
from schemas.keys import entity_key, replay_key, request_key
from schemas.records import ActionRequest, DeliveryRecord
from schemas.webhooks import ActionHandler, IdempotencySource
from tests.support.pipeline import PipelineUnderTest, Record, RecordedOutputs
from tests.support.requests import TENANT_ID, WEBHOOK_ID, Request, alert_body, alert_request, webhook_config

_SECOND = 1_000_000
_T0 = 1_790_000_000 * _SECOND
_REPLAY = "01980000-0000-7000-8000-0000000000d1"


def _replayed(request: Request, mode: str, replay_id: str = _REPLAY) -> Request:
    headers = record_headers.decode(request.message["headers"])
    replay = Replay(replay_id, "01980000-0000-7000-8000-0000000000d0", mode, 1)
    encoded = record_headers.encode(headers._replace(replay=replay))
    return request._replace(message=request.message | {"headers": encoded})


def _keys(outputs: RecordedOutputs, topic: str = ACTIONS) -> list[bytes]:
    return [message["key"] for name, message in outputs.sent if name == topic]


def _sample(name: str, priority: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, {"priority": priority}) or 0.0


@pytest.mark.parametrize(
    ("priority", "topic"), [(0, ACTIONS), (1, ACTIONS), (2, EXPEDITED_ACTIONS), (3, EXPEDITED_ACTIONS)]
)
async def test_the_webhooks_priority_chooses_the_topic_of_its_actions(
    tmp_path: Path, priority: int, topic: str
) -> None:
    outputs = await PipelineUnderTest(tmp_path, webhook_config(priority=priority)).receive(alert_request("a-1"))
    [action] = outputs.values(topic)
    assert ActionRequest.model_validate(action).priority == priority
    assert len(outputs.sent) == 1


async def test_an_action_has_the_key_of_its_external_id_and_with_an_ordering_key_that_of_its_request(
    tmp_path: Path,
) -> None:
    plain = await PipelineUnderTest(tmp_path / "plain", webhook_config()).receive(alert_request("a-1"))
    assert _keys(plain) == [entity_key(TENANT_ID, WEBHOOK_ID, "a-1")]
    ordered = PipelineUnderTest(tmp_path / "ordered", webhook_config(ordering_key="device.id"))
    first, second = alert_request("a-1"), alert_request("a-2")
    key = request_key(TENANT_ID, WEBHOOK_ID, "991")
    outputs = await ordered.receive(
        first._replace(message=first.message | {"key": key}), second._replace(message=second.message | {"key": key})
    )
    assert _keys(outputs) == [key, key]


async def test_a_webhook_whose_priority_changes_has_one_window_over_both_lanes(tmp_path: Path) -> None:
    pipeline = PipelineUnderTest(tmp_path, webhook_config())
    first, second = alert_request("a-1"), alert_request("a-1")
    await pipeline.process([Record(first.message, 0, RECEIVED)])
    pipeline.webhooks.configs[pipeline.webhook_key()] = Webhook(webhook_config(version=2, priority=3), ())
    outputs = await pipeline.process([Record(second.message, 0, EXPEDITED)])
    [record] = outputs.values(RECORDED)
    assert record["duplicate_of"] == first.delivery_id
    assert outputs.values(EXPEDITED_ACTIONS) == [], "the same offset in another lane is no redelivery"


async def test_a_duplicate_names_the_first_delivery_and_the_reason_in_words(tmp_path: Path) -> None:
    pipeline = PipelineUnderTest(tmp_path, webhook_config(idempotency_window_seconds=60))
    first = alert_request("a-1", received_at_us=_T0)
    outputs = await pipeline.receive(first, alert_request("a-1", received_at_us=_T0 + 59 * _SECOND))
    record = DeliveryRecord.model_validate(outputs.values(RECORDED)[0])
    assert record.duplicate_of == first.delivery_id
    assert record.handler_outcome == {
        "duplicate": {
            "reason": f"same alert.id as delivery {first.delivery_id}, received 2026-09-21T14:13:20.000Z; "
            "window ends 2026-09-21T14:14:20.000Z",
            "first_delivery_id": first.delivery_id,
            "first_received_at": "2026-09-21T14:13:20.000Z",
            "window_ends_at": "2026-09-21T14:14:20.000Z",
            "source": "alert.id",
        }
    }


SIGNED = {"auth_type": "standard_webhooks", "auth_config": {"type": "standard_webhooks"}}


@pytest.mark.parametrize(
    ("changes", "key", "source"),
    [
        ({"idempotency_source": IdempotencySource(type="header", value="X-Event-Id")}, "a-1", "X-Event-Id"),
        ({"idempotency_source": None} | SIGNED, "msg_1", "signed id"),
        (SIGNED, "a-1", "alert.id"),
        ({"idempotency_source": IdempotencySource(type="jsonata", value="alert.none")} | SIGNED, "msg_1", "signed id"),
        ({"idempotency_source": IdempotencySource(type="header", value="X-Event-Id")} | SIGNED, "m", "signed id"),
    ],
)
async def test_a_duplicate_says_what_gave_its_key(
    tmp_path: Path, changes: dict[str, Any], key: str, source: str
) -> None:
    pipeline = PipelineUnderTest(tmp_path, webhook_config().model_validate(_config(changes)))
    outputs = await pipeline.receive(*(alert_request(key, body=alert_body("a-1")) for _ in range(2)))
    [record] = outputs.values(RECORDED)
    assert record["handler_outcome"]["duplicate"]["source"] == source
    assert record["handler_outcome"]["duplicate"]["reason"].startswith(f"same {source} as delivery ")


def _config(changes: dict[str, Any]) -> dict[str, Any]:
    return webhook_config().model_dump(mode="json") | changes


async def test_a_replay_that_fills_gaps_honours_what_has_run(tmp_path: Path) -> None:
    pipeline = PipelineUnderTest(tmp_path, webhook_config())
    await pipeline.receive(alert_request("a-1"))
    outputs = await pipeline.receive(*(_replayed(alert_request(alert), "fill") for alert in ("a-1", "a-2", "a-2")))
    assert [value["fields"]["external_id"] for value in outputs.values(ACTIONS)] == ["a-2"]
    assert [value["dispatch_status"] for value in outputs.values(RECORDED)] == ["duplicate", "duplicate"]


async def test_a_replay_that_redrives_runs_again_and_each_of_its_keys_once(tmp_path: Path) -> None:
    pipeline = PipelineUnderTest(tmp_path, webhook_config())
    await pipeline.receive(alert_request("a-1"))
    first, again = (_replayed(alert_request("a-1"), "redrive") for _ in range(2))
    outputs = await pipeline.receive(first, again)
    [action] = outputs.values(ACTIONS)
    assert action["delivery_id"] == first.delivery_id
    assert action["release_key"] == replay_key(TENANT_ID, WEBHOOK_ID, "a-1", _REPLAY).hex()
    assert [value["duplicate_of"] for value in outputs.values(RECORDED)] == [first.delivery_id]
    later = await pipeline.receive(_replayed(alert_request("a-1"), "redrive", "another"), alert_request("a-1"))
    assert len(later.values(ACTIONS)) == 1, "another replay runs it again; a sender's repeat is a duplicate still"


async def test_outcomes_of_the_processors_are_measured_and_late_ones_are_breaches(tmp_path: Path) -> None:
    failing = ActionHandler(action="createTicket", field_mapping={"title": "$error('no')"})
    pipeline = PipelineUnderTest(tmp_path, webhook_config(priority=3, handler_config=failing))
    before = {name: _sample(f"hookline_{name}", "critical") for name in ("outcome_seconds_count", "sla_breaches_total")}
    await pipeline.receive(
        alert_request("a-1"),
        alert_request("a-2", received_at_us=_T0),
        alert_request("a-3", is_test=True),
        _replayed(alert_request("a-4"), "fill"),
    )
    assert _sample("hookline_outcome_seconds_count", "critical") == before["outcome_seconds_count"] + 2
    assert _sample("hookline_sla_breaches_total", "critical") == before["sla_breaches_total"] + 1
    assert _sample("hookline_sla_target_seconds", "critical") == 5.0
