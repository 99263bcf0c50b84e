"""Dead letters through the API, with real processors and actions that have a fault: listed, shown, mended, done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from hookline.embedded.postgres import PostgresServer
from infra.clickhouse import ClickHouse
from infra.clock import MICROSECONDS, now_us, rfc3339
from infra.ids import uuid7_text
from infra.topics import ACTION_DEAD_LETTERS, RECEIVED, REQUEST_DEAD_LETTERS
from schemas import headers as record_headers
from schemas.headers import Replay
from schemas.records import DispatchStatus
from sinks.clickhouse.core.requests import build_requests
from sinks.clickhouse.core.rows import Source
from sinks.clickhouse.writer import BatchWriter
from tests.support.analytics import request_record
from tests.support.dead_letters import (
    POISON,
    FaultyWorkers,
    action_letter,
    await_letter,
    dismiss,
    faulty_registry,
    listed,
    redrive,
    request_letter,
    shown,
    write_letters,
)
from tests.support.erasures import await_closed
from tests.support.log_writing import LogWriter
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
    _, letter = broken_request(stage)
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


def command_of(base: ManagementBase, webhook: Json, title: str) -> Json:
    client = base.rows("SELECT id FROM clients WHERE tenant_id = %s AND name = 'Acme Ltd'", (base.tenant.id,))[0]["id"]
    origin = {"topic": RECEIVED, "partition": 0, "offset": 10**9, "incarnation": "i"}
    return {
        "delivery_id": uuid7_text(now_us()),
        "tenant_id": str(base.tenant.id),
        "webhook_id": webhook["id"],
        "webhook_slug": webhook["slug"],
        "config_version": 1,
        "received_at": now_us(),
        "action": "createTicket",
        "fields": {"title": title, "client_id": str(client), "api_key": "hunter2"},
        "origin": origin,
    }


def test_an_action_that_never_ran_is_the_same_command_again_and_runs_once(stage: WebhookStage) -> None:
    base, title = stage.base, f"t-{uuid4().hex}"
    webhook = stage.create()
    command = command_of(base, webhook, title)
    write_letters(base.settings.kafka, [action_letter(command)])
    letter = await_letter(base, webhook_id=webhook["id"])
    detail = shown(base, letter)
    assert "hunter2" not in str(detail)
    assert detail["command"]["fields_redacted"]
    fields = {name: value for name, value in command["fields"].items() if name != "api_key"}
    answer = redrive(base, letter, fields=fields)
    assert answer["new_delivery_id"] == command["delivery_id"], "its delivery is still pending, and ends by this"
    await_ticket(base, title)
    base.write("UPDATE dead_letters SET published_at = NULL WHERE delivery_id = %s", (command["delivery_id"],))
    assert redrive(base, letter, expected_status=409)["error"]["code"] == "conflict", "not the change that was begun"
    assert redrive(base, letter, fields=fields)["new_delivery_id"] == command["delivery_id"]
    last = stage.send(webhook, body={"alert": {"message": f"{title}-last"}, "client": "Acme Ltd"})
    assert last["dispatch_status"] == "dispatched"
    assert tickets(base, title) == 1


def test_fields_that_may_hold_what_the_webhook_masks_are_hidden(stage: WebhookStage) -> None:
    base = stage.base
    webhook = stage.create(redact_paths=["$.alert.message"])
    write_letters(base.settings.kafka, [action_letter(command_of(base, webhook, "hunter2"))])
    detail = shown(base, await_letter(base, webhook_id=webhook["id"]))
    assert (detail["command"]["fields"], detail["command"]["fields_redacted"]) == (None, True)
    assert "hunter2" not in str(detail)


def test_a_letter_is_seen_by_whom_it_names_and_one_that_cannot_be_read_by_nobody(stage: WebhookStage) -> None:
    base, other = stage.base, stage.base.other_tenant.headers
    webhook = stage.create()
    tenant_id = str(base.tenant.id)
    forged = action_letter(command_of(base, webhook, "forged"), header_tenant_id=str(base.other_tenant.id))
    unreadable = request_letter(tenant_id, webhook["id"], headers=[(record_headers.TENANT_ID, b"\xff")])
    part = request_letter(tenant_id, webhook["id"], headers=[(record_headers.TENANT_ID, tenant_id.encode())])
    write_letters(base.settings.kafka, [forged, unreadable, part, request_letter(tenant_id, webhook["id"])])
    letter = await_letter(base, webhook_id=webhook["id"])
    hidden = eventually(lambda: nobodys(base, 3), timeout_seconds=_WAIT_SECONDS, what="three letters of nobody") or []
    assert [one["id"] for one in listed(base, webhook_id=webhook["id"])] == [letter["id"]]
    assert listed(base, headers=other, webhook_id=webhook["id"]) == []
    for headers, ids in ((other, [letter["id"], *hidden]), (base.tenant.headers, hidden)):
        for letter_id in ids:
            path = f"/dead-letters/{letter_id}"
            assert base.call("GET", path, headers=headers).status_code == 404
            for verb in ("redrive", "dismiss"):
                answer = base.call("POST", f"{path}/{verb}", headers=headers, json={"reason": "mine"})
                assert answer.status_code == 404, answer.text
        many = {"ids": ids, "reason": "mine"}
        answer = base.call("POST", "/dead-letters/redrive", headers=headers, json=many)
        assert answer.json()["redriven"] == []
        assert {one["code"] for one in answer.json()["refused"]} == {"not_found"}
    assert shown(base, letter)["state"] == "open"


def nobodys(base: ManagementBase, count: int) -> list[str] | None:
    rows = base.rows("SELECT * FROM dead_letters WHERE tenant_id IS NULL")
    ids = [f"{row['topic']}:{row['partition']}:{row['record_offset']}" for row in rows]
    return ids if len(ids) == count else None


def test_many_are_given_another_try_by_a_filter_and_each_only_once(stage: WebhookStage) -> None:
    base = stage.base
    webhook, off = stage.create(), stage.create(is_active=False)
    titles = [f"t-{uuid4().hex}" for _ in range(60)]
    bodies = [b'{"alert":{"message":"%s"},"client":"Acme Ltd"}' % title.encode() for title in titles]
    tenant_id = str(base.tenant.id)
    letters = [request_letter(tenant_id, webhook["id"], body) for body in bodies]
    write_letters(base.settings.kafka, [*letters, request_letter(tenant_id, off["id"], bodies[0])])
    ids = [one["id"] for one in await_letters(base, 60, webhook_id=webhook["id"])]
    wanted = {"filter": {"webhook_id": webhook["id"]}, "reason": "mended", "rate_per_second": 50}
    answer = base.call("POST", "/dead-letters/redrive", json=wanted)
    assert answer.status_code == 202, answer.text
    done = answer.json()
    assert ({one["id"] for one in done["redriven"]}, done["refused"], done["has_more"]) == (set(ids), [], False)
    assert len({one["new_delivery_id"] for one in done["redriven"]}) == 60
    for title in titles:
        await_ticket(base, title)
    assert base.call("POST", "/dead-letters/redrive", json=wanted).json()["redriven"] == []
    named = {"ids": [*ids[:2], "no:letter:1"], "reason": "again"}
    refused = base.call("POST", "/dead-letters/redrive", json=named).json()["refused"]
    assert sorted(one["code"] for one in refused) == ["conflict", "conflict", "not_found"]
    inactive = await_letter(base, webhook_id=off["id"])
    assert redrive(base, inactive, expected_status=409)["error"]["code"] == "webhook_inactive"


def await_letters(base: ManagementBase, count: int, **wanted: Any) -> list[Json]:
    def enough() -> list[Json] | None:
        found = listed(base, **wanted)
        return found if len(found) == count else None

    return eventually(enough, timeout_seconds=_WAIT_SECONDS, what=f"{count} letters") or []


def test_fill_leaves_out_a_letter_whose_delivery_was_done_by_another_replay(
    stage: WebhookStage, clickhouse_engine: ClickHouse
) -> None:
    """Of a request and of an action, which no idempotency key would tell."""
    base, title = stage.base, f"t-{uuid4().hex}"
    webhook = stage.create()
    body = b'{"alert":{"message":"%s"},"client":"Acme Ltd"}' % title.encode()
    command = command_of(base, webhook, title)
    del command["fields"]["api_key"]
    made = request_letter(str(base.tenant.id), webhook["id"], body), action_letter(command)
    write_letters(base.settings.kafka, made)
    log = LogWriter(clickhouse_engine, now_us(), Random(), base.tenant.id, UUID(webhook["id"]))
    letters = await_letters(base, 2, webhook_id=webhook["id"])
    for letter in letters:
        replays = log.write_requests(1, replay=Replay(str(uuid4()), letter["delivery_id"], mode="redrive", depth=1))
        log.write_outcomes(replays, "actions", DispatchStatus.DISPATCHED)
        refused = redrive(base, letter, expected_status=409, mode="fill")["error"]
        assert (refused["code"], replays.delivery_ids[0] in refused["message"]) == ("already_done", True)
        assert shown(base, letter)["state"] == "open"
    many = {"filter": {"webhook_id": webhook["id"]}, "reason": "mended", "mode": "fill"}
    summary = base.call("POST", "/dead-letters/redrive", json=many).json()
    assert (summary["redriven"], [one["code"] for one in summary["refused"]]) == ([], ["already_done"] * 2)
    assert tickets(base, title) == 0
    for letter in letters:
        redrive(base, letter)
    eventually(lambda: tickets(base, title) == 2, timeout_seconds=_WAIT_SECONDS, what="two tickets by redrive")


def test_a_dismissed_letter_stays_in_the_list_and_is_not_tried_again(stage: WebhookStage) -> None:
    base = stage.base
    webhook, letter = broken_request(stage)
    told = dismiss(base, letter)
    assert (told["state"], told["reason"], told["decided_by"]["type"]) == ("dismissed", "noise", "api_key")
    assert redrive(base, letter, expected_status=409)["error"]["code"] == "conflict"
    assert dismiss(base, letter, expected_status=409)["error"]["code"] == "conflict"
    assert [one["id"] for one in listed(base, webhook_id=webhook["id"], state="dismissed")] == [letter["id"]]
    assert listed(base, webhook_id=webhook["id"], state="open") == []


def test_what_the_log_shows_no_more_is_neither_shown_nor_tried_again(
    stage: WebhookStage, clickhouse_engine: ClickHouse
) -> None:
    """A body that was erased, and one older than its webhook keeps bodies."""
    base = stage.base
    webhook = stage.create(retention_days={"bodies": 3, "rows": 30})
    tenant_id, old_us = str(base.tenant.id), now_us() - 4 * _DAY_US
    erased = request_letter(tenant_id, webhook["id"], b'{"a":"hunter2"}')
    expired = request_letter(tenant_id, webhook["id"], b'{"a":"hunter2"}', at_us=old_us)
    delivery_id = dict(erased[1]["headers"])[record_headers.DELIVERY_ID].decode()
    source = Source("letters", uuid4().hex, 0)
    record = request_record(delivery_id, now_us(), tenant_id=tenant_id)
    BatchWriter(clickhouse_engine).write(build_requests([record], source), source, 0, 1)
    write_letters(base.settings.kafka, [erased, expired])
    letters = await_letters(base, 2, webhook_id=webhook["id"])
    await_closed(base, base.call("DELETE", f"/deliveries/{delivery_id}/body").json()["id"])
    reasons = {}
    for letter in letters:
        detail = shown(base, letter)
        assert (detail["request"], detail["message"]) == (None, None)
        reasons[detail["delivery_id"] == delivery_id] = detail["withheld"]
        assert redrive(base, letter, expected_status=410)["error"]["code"] == "gone"
    assert "erased" in reasons[True]
    assert "retention" in reasons[False]
    older = listed(base, webhook_id=webhook["id"], until=rfc3339(old_us + _DAY_US))
    assert older == [one for one in letters if one["delivery_id"] != delivery_id]


def test_five_thousand_letters_are_walked_through_once_each_and_filtered(stage: WebhookStage) -> None:
    base, other = stage.base, stage.base.other_tenant
    webhook_ids = [str(uuid4()) for _ in range(2)]
    codes = ["INTERNAL", *["TIMEOUT"] * 9]
    letters = [request_letter(str(other.id), webhook_ids[n % 2], code=codes[n % 10]) for n in range(5_000)]
    write_letters(base.settings.kafka, letters)

    def page(**wanted: Any) -> Json:
        answer = base.call("GET", "/dead-letters", headers=other.headers, params={"per_page": 100, **wanted})
        found: Json = answer.json()
        return found

    eventually(lambda: page()["meta"]["total"] == 5_000, timeout_seconds=_WAIT_SECONDS, what="5,000 letters")
    seen: list[Json] = []
    cursor: Json = {}
    while cursor is not None:
        found = page(**cursor)
        assert (found["meta"]["total"], found["meta"]["total_is_exact"]) == (5_000, True)
        seen += found["data"]
        following = found["meta"]["next_cursor"]
        if following is None:
            break
        cursor = {"cursor": following}
    assert len({one["id"] for one in seen}) == len(seen) == 5_000
    times = [one["failed_at"] for one in seen]
    assert times == sorted(times, reverse=True)
    for wanted, count in (
        ({"webhook_id": webhook_ids[0]}, 2_500),
        ({"code": "INTERNAL"}, 500),
        ({"topic": ACTION_DEAD_LETTERS}, 0),
        ({"stage": "processors", "state": "open"}, 5_000),
        ({"since": rfc3339(now_us() + _DAY_US)}, 0),
    ):
        assert page(**wanted)["meta"]["total"] == count, wanted
