"""Dry runs of replays: what would happen now to deliveries, against what happened then."""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
from typing import Any, get_args

import pytest

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from management.comparing.differences import Kind
from management.replay_differences import service
from tests.support.documented import DOCS
from tests.support.management import ManagementBase, bearer
from tests.support.replayed_log import ReplayedLog
from tests.support.webhooks import create_webhook, problems_of, ticket_handler

Json = dict[str, Any]
HOUR_US = 3_600_000_000
DISPATCHED: Json = {"stage": "actions", "dispatch_status": "dispatched", "action": "createTicket"}


def alert(title: str | None = "Disk full", **members: Any) -> Json:
    return {"alert": {"client": "Acme Ltd", **({} if title is None else {"title": title}), **members}}


@pytest.fixture
def webhook(management_base: ManagementBase) -> Json:
    return create_webhook(management_base, f"replayed-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def log(management_base: ManagementBase, clickhouse_engine: ClickHouse, webhook: Json) -> ReplayedLog:
    return ReplayedLog(management_base, clickhouse_engine, webhook["id"])


def change(base: ManagementBase, webhook: Json, **members: Any) -> None:
    answer = base.call("PATCH", f"/inbound-webhooks/{webhook['id']}", json=members)
    assert answer.status_code == 200, answer.text


def dry_run(base: ManagementBase, webhook: Json, *, mode: str = "redrive", **given: Any) -> Json:
    named: Json = {name: given.pop(name) for name in ("delivery_ids", "offsets") if name in given}
    selection: Json = named or {"filter": {"webhook_id": [webhook["id"]]}}
    answer = base.call("POST", "/replays/dry-run", json={"mode": mode, "selection": selection, **given})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def map_ticket(base: ManagementBase, webhook: Json, external_id: str) -> str:
    """An external id of the webhook, mapped to a ticket."""
    ticket_id = str(uuid.uuid4())
    base.write(
        "INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id) "
        "VALUES (%s, %s, %s, 'ticket', %s, %s)",
        (base.tenant.id, uuid.uuid4(), webhook["id"], external_id, ticket_id),
    )
    return ticket_id


def test_a_changed_mapping_shows_field_by_field(
    management_base: ManagementBase, webhook: Json, log: ReplayedLog
) -> None:
    first, offset = log.delivery(alert(), outcome=DISPATCHED)
    log.delivery(alert("CPU hot"), outcome=DISPATCHED)
    assert dry_run(management_base, webhook)["totals"]["different"] == 0
    mapping = {"title": "$uppercase(alert.title)", "client_id": "alert.client", "description": "'from ' & alert.client"}
    change(management_base, webhook, handler_config={"action": "createTicket", "field_mapping": mapping})
    found = dry_run(management_base, webhook)
    assert found["totals"]["by_kind"] == {"fields": 2}
    assert found["totals"]["fields"]["title"] == {"added": 0, "removed": 0, "changed": 2}
    [shown, _] = found["differences"]
    assert (shown["delivery_id"], shown["config_version"], shown["kinds"]) == (first, 1, ["fields"])
    assert shown["place"] == f"webhooks.request.received.v1:0:{offset}"
    assert shown["fields"] == [
        {"field": "description", "change": "added", "then": None, "now": "from Acme Ltd"},
        {"field": "title", "change": "changed", "then": "Disk full", "now": "DISK FULL"},
    ]
    assert shown["now"]["effect"] == "create"


def test_outcomes_then_and_now(management_base: ManagementBase, webhook: Json, log: ReplayedLog) -> None:
    failed = {"code": "VALIDATION_ERROR", "message": "title is required", "path": "field_mapping.title"}
    log.delivery(alert(), outcome=DISPATCHED)
    log.delivery(alert(None), outcome={"dispatch_status": "failed", "error": failed})
    log.delivery(alert("noise"), outcome=DISPATCHED)
    stopped = {"stopped_by": {"path": "filters.all.0", "rule": {"jsonata": "false"}}}
    log.delivery(alert(), outcome={"dispatch_status": "filtered", "handler_outcome": stopped})
    refused = {"code": "TIMEOUT", "message": "too slow", "path": None}
    log.delivery(alert(), outcome={**DISPATCHED, "dispatch_status": "failed", "error": refused})
    change(
        management_base,
        webhook,
        filters={"all": [{"field": "$.alert.title", "operator": "not_equals", "value": "noise"}]},
        handler_config=ticket_handler(title="alert.title ? alert.title : 'none'"),
    )
    found = dry_run(management_base, webhook)
    kinds = [(one["then"]["outcome"], one["now"]["outcome"], one["kinds"]) for one in found["differences"]]
    assert kinds == [
        ("failed", "dispatched", ["succeeds_now"]),
        ("dispatched", "filtered", ["filtered_now"]),
        ("filtered", "dispatched", ["passes_now"]),
        ("failed", "dispatched", ["tried_again"]),
    ]
    assert found["differences"][1]["now"]["rule"]["path"] == "filters.all.0"
    assert found["differences"][0]["then"]["error"]["path"] == "field_mapping.title"
    assert found["totals"]["then"] == {"dispatched": 2, "failed": 2, "filtered": 1}
    assert found["totals"]["now"] == {"dispatched": 4, "filtered": 1}


def test_what_the_action_would_do_is_read_from_the_external_ids(
    management_base: ManagementBase, webhook: Json, log: ReplayedLog
) -> None:
    change(management_base, webhook, handler_config=ticket_handler(external_id="alert.id"))
    mapped = map_ticket(management_base, webhook, "a-1")
    made = {"handler_outcome": {"entity_type": "ticket", "entity_id": mapped, "created": True}}
    log.delivery(alert(id="a-1"), config_version=2, outcome={**DISPATCHED, **made})
    found = dry_run(management_base, webhook)
    [shown] = found["differences"]
    assert (shown["kinds"], shown["now"]["error"]["code"]) == (["fails_now"], "CONFLICT")
    updating = {**ticket_handler(external_id="alert.id"), "on_existing": "update"}
    change(management_base, webhook, handler_config=updating)
    assert dry_run(management_base, webhook)["totals"]["different"] == 0
    missed = {"code": "LOOKUP_MISS", "message": "no ticket", "path": "field_mapping.external_id"}
    failed = {**DISPATCHED, "dispatch_status": "failed", "error": missed}
    log.delivery(alert(id="a-1"), config_version=3, outcome=failed)
    log.delivery(alert(id="a-2"), config_version=3, outcome={**DISPATCHED, **made})
    closing = {
        "action": "updateTicketByExternalId",
        "field_mapping": {"external_id": "alert.id", "title": "alert.title"},
    }
    found = dry_run(management_base, webhook)
    assert [one["kinds"] for one in found["differences"]] == [["succeeds_now"], ["other_entity"]]
    assert [one["now"]["entity_id"] for one in found["differences"]] == [mapped, None]
    change(management_base, webhook, handler_config={**closing, "on_existing": None})
    shown = dry_run(management_base, webhook)["differences"][-1]
    assert (shown["now"]["error"]["code"], shown["kinds"]) == ("LOOKUP_MISS", ["fails_now", "other_action"])


def test_repeated_requests_are_duplicates_of_the_first_in_the_window(
    management_base: ManagementBase, webhook: Json, log: ReplayedLog
) -> None:
    log.at_us = now_us() - HOUR_US
    first, _ = log.delivery(alert(), dedupe_key="k", outcome=DISPATCHED)
    duplicate = {"dispatch_status": "duplicate", "duplicate_of": first}
    repeated, _ = log.delivery(alert(), dedupe_key="k", outcome=duplicate)
    alone, _ = log.delivery(alert(), dedupe_key="k", outcome={**DISPATCHED, "is_test": True}, is_test=True)
    assert dry_run(management_base, webhook)["totals"]["now"] == {"dispatched": 2, "duplicate": 1}
    [shown] = dry_run(management_base, webhook, delivery_ids=[repeated])["differences"]
    assert shown["kinds"] == ["runs_now"]
    failed = {"code": "TIMEOUT", "message": "too slow", "path": None}
    log.delivery(alert(), dedupe_key="k", outcome={"dispatch_status": "failed", "error": failed})
    log.delivery(alert(), dedupe_key="other", outcome={"dispatch_status": "failed", "error": failed})
    found = dry_run(management_base, webhook, mode="fill")
    assert found["totals"]["now"] == {"present": 3, "duplicate": 1, "dispatched": 1}
    assert found["totals"]["by_kind"] == {"duplicate_now": 1, "succeeds_now": 1}
    assert {alone, first, repeated}.isdisjoint(one["delivery_id"] for one in found["differences"])


def test_what_is_masked_in_the_log_is_read_from_kafka_and_shown_masked(
    management_base: ManagementBase, webhook: Json, log: ReplayedLog
) -> None:
    change(management_base, webhook, redact_paths=["$.alert.pin"])
    facts = {"redact_paths": ["$.alert.pin"]}
    log.delivery(alert(pin=471_199), facts=facts, config_version=2, outcome=DISPATCHED)
    log.delivery(alert(pin=471_199), facts=facts, config_version=2, in_kafka=False, outcome=DISPATCHED)
    mapping = ticket_handler(description="'pin ' & alert.pin", attributes="{'n': alert.pin, 'token': 'x'}")
    change(management_base, webhook, handler_config=mapping)
    found = dry_run(management_base, webhook)
    [shown, lost] = found["differences"]
    assert {one["field"]: one["now"] for one in shown["fields"]} == {
        "attributes": {"n": "***", "token": "***"},
        "description": "pin ***",
    }
    assert lost["not_comparable"] == "the topic does not reach so far; its stored body is masked"
    assert (found["totals"]["compared"], found["totals"]["not_comparable"]) == (1, {"lost": 1})


def test_a_version_that_is_not_kept_leaves_fields_of_then_unknown(
    management_base: ManagementBase, webhook: Json, log: ReplayedLog
) -> None:
    log.delivery(alert("noise"), outcome=DISPATCHED)
    change(management_base, webhook, handler_config=ticket_handler(title="'fixed'"))
    management_base.write("DELETE FROM webhook_versions WHERE webhook_id = %s AND version = 1", [webhook["id"]])
    [shown] = dry_run(management_base, webhook, include_same=True)["differences"]
    assert (shown["kinds"], shown["fields"]) == ([], [])
    assert shown["fields_unknown"] == "version 1 of the webhook is not kept"


def test_offsets_are_read_from_kafka_and_others_records_passed_over(
    management_base: ManagementBase, webhook: Json, log: ReplayedLog
) -> None:
    other = management_base.other_tenant
    own, first = log.delivery(alert(None), outcome=DISPATCHED)
    log.delivery(alert(None), tenant_id=str(other.id), outcome={**DISPATCHED, "tenant_id": str(other.id)})
    _, last = log.delivery(alert())
    offsets = [f"webhooks.request.received.v1:0:{first}-{last + 5}"]
    found = dry_run(management_base, webhook, offsets=offsets)
    shown = found["differences"][0]
    assert (shown["delivery_id"], shown["kinds"]) == (own, ["fails_now"])
    assert found["totals"]["then"] == {"dispatched": 1, "pending": 1}
    assert found["totals"]["compared"] == 2
    lost = dry_run(management_base, webhook, offsets=["webhooks.request.received.v1:99:3-7"])
    assert lost["totals"]["not_comparable"] == {"lost_offsets": 1}
    assert lost["differences"][0]["place"] == "webhooks.request.received.v1:99:3-7"


def test_what_may_not_be_replayed_says_why(management_base: ManagementBase, webhook: Json, log: ReplayedLog) -> None:
    unknown = str(uuid.uuid4())
    often, _ = log.delivery(alert(), outcome=DISPATCHED)
    log.delivery(b"{", facts={"invalid_json": True})
    management_base.write(
        "INSERT INTO replay_counts (tenant_id, origin_id, replays, replays_max) VALUES (%s, %s, 10, 10)",
        (management_base.tenant.id, often),
    )
    found = dry_run(management_base, webhook)
    assert found["totals"]["not_comparable"] == {"replay_limit": 1, "invalid_json": 1}
    found = dry_run(management_base, webhook, delivery_ids=[often, unknown])
    assert [one["delivery_id"] for one in found["differences"]] == [often, unknown]
    change(management_base, webhook, is_active=False)
    assert dry_run(management_base, webhook)["totals"]["not_comparable"] == {"webhook_inactive": 2}
    management_base.call("DELETE", f"/inbound-webhooks/{webhook['id']}")
    assert dry_run(management_base, webhook)["totals"]["not_comparable"] == {"webhook_gone": 2}


def test_differences_are_files_too(management_base: ManagementBase, webhook: Json, log: ReplayedLog) -> None:
    ids = [log.delivery(alert(f"=Disk {number}"), outcome=DISPATCHED)[0] for number in range(3)]
    change(management_base, webhook, handler_config=ticket_handler(title="$uppercase(alert.title)"))
    body = {"mode": "redrive", "selection": {"filter": {"webhook_id": [webhook["id"]]}}}
    lines = management_base.call("POST", "/replays/dry-run", json=body, params={"format": "jsonl"})
    assert lines.headers["Content-Type"] == "application/jsonl"
    assert [json.loads(line)["delivery_id"] for line in lines.text.splitlines()] == ids
    headers = {**management_base.tenant.headers, "Accept": "text/csv, */*;q=0.1"}
    table = management_base.call("POST", "/replays/dry-run", json=body, headers=headers)
    rows = list(csv.DictReader(io.StringIO(table.text, newline="")))
    assert [row["delivery_id"] for row in rows] == ids
    assert (rows[0]["then_outcome"], rows[0]["now_effect"]) == ("dispatched", "create")
    assert json.loads(rows[0]["fields"])[0]["now"] == "=DISK 0"
    assert json.loads(lines.text.splitlines()[0])["fields"] == json.loads(rows[0]["fields"])


def test_a_dry_run_is_of_ones_own_deliveries_and_needs_the_right_to_replay(
    management_base: ManagementBase, webhook: Json, log: ReplayedLog
) -> None:
    own, _ = log.delivery(alert(), outcome=DISPATCHED)
    other = management_base.other_tenant.headers
    for selection in ({"delivery_ids": [own]}, {"filter": {"webhook_id": [webhook["id"]]}}):
        body = {"mode": "fill", "selection": selection}
        answer = management_base.call("POST", "/replays/dry-run", json=body, headers=other)
        assert answer.json()["totals"]["compared"] == 0
    reader = bearer(management_base.new_key("inbound_webhook:update", "delivery:read"))
    body = {"mode": "fill", "selection": {"delivery_ids": [own]}}
    assert management_base.call("POST", "/replays/dry-run", json=body, headers=reader).status_code == 403


def test_selections_that_cannot_be_are_refused_by_name(
    management_base: ManagementBase, webhook: Json, log: ReplayedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**selection: Any) -> dict[str, str]:
        body = {"mode": "redrive", "selection": selection}
        return problems_of(management_base.call("POST", "/replays/dry-run", json=body))

    assert "is not one of" in refused(offsets=["actions.action.requested.v1:0:1-2"])["selection.offsets"]
    assert "exactly one of" in refused()["selection"]
    assert refused(filter={"colour": "red"}).keys() == {"selection.filter.colour"}
    assert refused(filter={"body_value": "x"}).keys() == {"body_value"}
    monkeypatch.setattr(service, "SELECTED_MAX", 1)
    log.delivery(alert())
    log.delivery(alert())
    assert "more than 1 deliveries" in refused(filter={"webhook_id": [webhook["id"]]})["selection.filter"]
    assert refused(delivery_ids=[str(uuid.uuid4()), str(uuid.uuid4())]).keys() == {"selection.delivery_ids"}
    assert refused(since="2026-01-01T00:00:00Z", until="2026-01-01T00:00:00Z").keys() == {"selection"}


def test_the_page_shows_what_a_dry_run_answers(
    management_base: ManagementBase, webhook: Json, log: ReplayedLog
) -> None:
    page = (DOCS / "replay-differences.md").read_text("utf-8")
    changed, asked, answer, comparison = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    [body] = re.findall(r"whose body was `(.*?)`", page)
    delivery_id, offset = log.delivery(json.loads(body), outcome=DISPATCHED)
    change(management_base, webhook, **json.loads(changed))
    given = json.loads(asked.replace("{webhook}", webhook["id"]))
    found = management_base.call("POST", "/replays/dry-run", json=given).json()
    names = {"{webhook}": webhook["id"], "{delivery}": delivery_id, "{offset}": str(offset)}
    names["{received_at}"] = found["differences"][0]["received_at"]
    for name, value in names.items():
        answer = answer.replace(name, value)
    assert found == json.loads(answer)
    path = f"/inbound-webhooks/{webhook['id']}/mapping/compare"
    compared = management_base.call("POST", path, json={**json.loads(comparison), "a": {"version": 2}})
    assert compared.json()["totals"]["compared"] == 1
    assert {*get_args(Kind)} == {*re.findall(r"`([a-z_]+)`", _table_of(page))}, "each kind is explained"


def _table_of(page: str) -> str:
    """The first column of the table of kinds."""
    rows = page.partition("| kind | |")[2].partition("\n\n")[0].splitlines()
    return "\n".join(row.split("|")[1] for row in rows if row.startswith("| `"))
