"""Letters: records that processors and actions with a fault give up, and letters as they would write them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx
import orjson

from infra.actions.registry import ActionRegistry, RegisteredAction
from infra.clock import now_us
from infra.ids import uuid7_text
from infra.kafka import Outbox, PolledProducer
from infra.settings import KafkaSettings
from infra.topics import ACTION_DEAD_LETTERS, ACTIONS, RECEIVED, REQUEST_DEAD_LETTERS
from schemas import headers as record_headers
from schemas.encoding import record_bytes
from schemas.headers import DeliveryHeaders
from tests.support.actions import builtin_registry
from tests.support.management import ManagementBase
from tests.support.processors import Workers
from tests.support.wait import eventually

POISON = "poison"
_WAIT_SECONDS = 60.0

Json = dict[str, Any]
Message = tuple[str, dict[str, Any]]


class FaultyWorkers(Workers):
    """Processors with a fault: they break at a body with POISON in it."""

    program = f"""
from infra.requests.plan import RequestPlan
evaluate = RequestPlan.evaluate
def evaluate_or_break(self, request):
    if b"{POISON}" in request.body:
        raise ZeroDivisionError("a body with hunter2 in it")
    return evaluate(self, request)
RequestPlan.evaluate = evaluate_or_break
{Workers.program}
"""


def faulty_registry() -> ActionRegistry:
    """Actions with a fault: no ticket can be made whose title has POISON in it."""
    builtin = builtin_registry()
    create = builtin["createTicket"]
    handle = create.definition.handle

    def handle_or_break(context: Any, values: Mapping[str, Any]) -> Any:
        if POISON in values["title"]:
            raise ZeroDivisionError
        return handle(context, values)

    faulty = replace(create.definition, handle=handle_or_break, handle_many=None)
    others = [action for name, action in builtin.items() if name != "createTicket"]
    return ActionRegistry([*others, RegisteredAction(faulty, create.package, create.coercer)])


def request_letter(tenant_id: str, webhook_id: str, body: bytes = b"{}", **given: Any) -> Message:
    """A letter of a request, as processors write it; `headers` given replace all but the failure."""
    at_us = given.get("at_us", now_us())
    facts = {
        "method": "POST",
        "path": "/api/inbound/t/w",
        "source_ip": "203.0.113.9",
        "content_type": "application/json",
    }
    headers = DeliveryHeaders(
        uuid7_text(at_us), tenant_id, webhook_id, 1, at_us, orjson.dumps(facts | given.get("facts", {}))
    )
    told = _told("processors", RECEIVED, at_us, given.get("code", "INTERNAL"))
    encoded = given.get("headers", record_headers.encode(headers))
    return REQUEST_DEAD_LETTERS, {"key": b"k" * 16, "value": body, "headers": [*encoded, told]}


def action_letter(command: Json, *, header_tenant_id: str | None = None) -> Message:
    """A letter of an action, as the sink writes it."""
    headers = [
        (record_headers.DELIVERY_ID, command["delivery_id"].encode()),
        (record_headers.TENANT_ID, (header_tenant_id or command["tenant_id"]).encode()),
        _told("actions", ACTIONS, now_us(), "INTERNAL"),
    ]
    return ACTION_DEAD_LETTERS, {
        "key": command["delivery_id"].encode(),
        "value": record_bytes(command),
        "headers": headers,
    }


def write_letters(kafka: KafkaSettings, letters: Sequence[Message]) -> None:
    """All of them, acknowledged."""
    producer = PolledProducer(kafka, client_id="test-dead-letters", ack_timeout_seconds=_WAIT_SECONDS)
    outbox = Outbox(producer)
    for topic, message in letters:
        outbox.send(topic, **message)
    outbox.wait(_WAIT_SECONDS)
    producer.close(5)


def listed(base: ManagementBase, *, headers: dict[str, str] | None = None, **wanted: Any) -> list[Json]:
    """Letters that fit, newest first: one page."""
    answer = base.call("GET", "/dead-letters", headers=headers, params={"per_page": 100, **wanted})
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["data"]
    return found


def await_letter(base: ManagementBase, **wanted: Any) -> Json:
    """The newest letter that fits, once there is one."""
    found = eventually(lambda: listed(base, **wanted), timeout_seconds=_WAIT_SECONDS, what=f"a letter with {wanted}")
    assert found
    return found[0]


def redrive(base: ManagementBase, letter: Json, *, expected_status: int = 202, **given: Any) -> Json:
    """The answer to a re-drive of a letter."""
    answer = base.call("POST", f"/dead-letters/{letter['id']}/redrive", json={"reason": "mended", **given})
    return _answered(answer, expected_status)


def dismiss(base: ManagementBase, letter: Json, *, expected_status: int = 200) -> Json:
    """The answer to a dismissal."""
    return _answered(
        base.call("POST", f"/dead-letters/{letter['id']}/dismiss", json={"reason": "noise"}), expected_status
    )


def shown(base: ManagementBase, letter: Json) -> Json:
    """The letter's detail."""
    return _answered(base.call("GET", f"/dead-letters/{letter['id']}"), 200)


def _answered(answer: httpx.Response, expected_status: int) -> Json:
    assert answer.status_code == expected_status, answer.text
    found: Json = answer.json()
    return found


def _told(stage: str, topic: str, at_us: int, code: str) -> tuple[str, bytes]:
    origin = {"topic": topic, "partition": 0, "offset": 10**9, "incarnation": uuid.uuid4().hex}
    failure = {"stage": stage, "code": code, "message": "it broke", "origin": origin, "failed_at": at_us}
    return record_headers.DEAD_LETTER, orjson.dumps(failure)
