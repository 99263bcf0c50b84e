"""Dead letters through the API, with real processors and actions that have a fault: listed, shown, mended, done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hookline.embedded.postgres import PostgresServer
from infra.clickhouse import ClickHouse
from infra.clock import MICROSECONDS
from infra.topics import ACTION_DEAD_LETTERS, REQUEST_DEAD_LETTERS
from tests.support.dead_letters import (
    POISON,
    FaultyWorkers,
    await_letter,
    dismiss,
    faulty_registry,
    redrive,
    shown,
)
from tests.support.management import ManagementBase
from tests.support.wait import eventually
from tests.support.webhook_stage import WebhookStage, webhook_stage

Json = dict[str, Any]
_WAIT_SECONDS = 90.0
_DAY_US = 86_400 * MICROSECONDS


@pytest.fixture(scope="module")
def stage(postgres: PostgresServer, clickhouse_engine: ClickHouse, stack_folder: Path) -> Iterator[WebhookStage]:
    folder = stack_folder / f"letters-{uuid4().hex[:8]}"
    registry = faulty_registry()
    with webhook_stage(postgres.dsn, clickhouse_engine, folder, registry=registry, kind=FaultyWorkers) as stage:
        stage.await_processors(members=1)
        yield stage


def await_ticket(base: ManagementBase, title: str) -> None:
    eventually(lambda: tickets(base, title) == 1, timeout_seconds=_WAIT_SECONDS, what=f"one ticket {title}")


def tickets(base: ManagementBase, title: str) -> int:
    return len(base.rows("SELECT FROM tickets WHERE tenant_id = %s AND title = %s", (base.tenant.id, title)))


def broken_request(stage: WebhookStage, **settings: Any) -> tuple[Json, Json]:
    """A webhook, and the letter of a request to it that the processors break at."""
    webhook = stage.create(**settings)
    body = {"alert": {"message": POISON, "password": "hunter2"}, "client": "Acme Ltd"}
    assert stage.send(webhook, body=body)["error"]["code"] == "INTERNAL"
    return webhook, await_letter(stage.base, webhook_id=webhook["id"])


def test_a_request_that_processors_break_at_is_listed_shown_mended_and_ends_as_a_ticket(stage: WebhookStage) -> None:
    base, title = stage.base, f"t-{uuid4().hex}"
    webhook, letter = broken_request(stage)
    assert (letter["topic"], letter["stage"], letter["code"], letter["state"]) == (
        *(REQUEST_DEAD_LETTERS, "processors", "INTERNAL", "open"),
    )
    detail = shown(base, letter)
    assert POISON in detail["request"]["body"]
    assert "hunter2" not in str(detail), "neither in the body nor in what the error quotes"
    assert detail["message"].startswith("ZeroDivisionError")
    assert (detail["origin"]["topic"], detail["withheld"]) == ("webhooks.request.received.v1", None)
    wrong = [{"op": "replace", "path": "/nothing/here", "value": 1}]
    refused = redrive(base, letter, expected_status=400, patch=wrong)
    assert refused["error"]["details"][0]["path"] == "patch.0"
    mending = [{"op": "replace", "path": "/alert/message", "value": title}]
    answer = redrive(base, letter, patch=mending)
    await_ticket(base, title)
    told = shown(base, letter)
    assert (told["state"], told["reason"], told["is_published"]) == ("redriven", "mended", True)
    assert told["new_delivery_id"] == answer["new_delivery_id"] != letter["delivery_id"]
    again = redrive(base, letter, expected_status=409, patch=mending)
    assert answer["new_delivery_id"] in again["error"]["message"]
    assert dismiss(base, letter, expected_status=409)["error"]["code"] == "conflict"
    assert tickets(base, title) == 1
    entries = base.call("GET", "/audit", params={"resource_id": letter["id"]}).json()["data"]
    assert [(one["action"], one["after"]["reason"], one["after"]["changed"]) for one in entries] == [
        ("dead_letter.redriven", "mended", True)
    ]
    [replay] = base.rows("SELECT * FROM delivery_replays WHERE delivery_id = %s", (answer["new_delivery_id"],))
    assert (str(replay["origin_id"]), replay["change_kind"]) == (letter["delivery_id"], "patch")


def test_an_action_that_breaks_is_mended_in_its_fields_and_ends_as_a_ticket_of_a_new_delivery(
    stage: WebhookStage,
) -> None:
    base, title = stage.base, f"t-{uuid4().hex}"
    mapping = {"title": f"'{POISON[:3]}' & rest", "client_id": "client"}
    webhook = stage.create(handler_config={"action": "createTicket", "field_mapping": mapping})
    sent = stage.send(webhook, body={"rest": POISON[3:], "client": "Acme Ltd"})
    assert sent["error"]["code"] == "INTERNAL"
    letter = await_letter(base, topic=ACTION_DEAD_LETTERS, webhook_id=webhook["id"])
    detail = shown(base, letter)
    assert (detail["command"]["action"], detail["command"]["fields"]["title"]) == ("createTicket", POISON)
    assert redrive(base, letter, expected_status=400, body={})["error"]["details"][0]["path"] == "body"
    answer = redrive(base, letter, patch=[{"op": "replace", "path": "/title", "value": title}])
    await_ticket(base, title)
    assert answer["new_delivery_id"] != letter["delivery_id"], "that one has ended as failed"
    redrive(base, letter, expected_status=409)
    assert tickets(base, title) == 1
