"""Pages of the delivery log and its details: cursors, totals, what is not merged, stages and kin."""

from __future__ import annotations

import uuid

import pytest

from infra.clickhouse import ClickHouse
from infra.clock import now_us, rfc3339
from management import log_reader
from schemas.headers import Replay
from tests.support.delivery_log import DAY_US, TOPIC, LogOf, listed, pages, problems
from tests.support.management import ManagementBase


@pytest.fixture
def other_log(management_base: ManagementBase, clickhouse_engine: ClickHouse) -> LogOf:
    """Of a webhook of its own."""
    return LogOf(clickhouse_engine, management_base.tenant, now_us() - DAY_US)


def test_pages_by_cursor_are_not_moved_by_what_comes_meanwhile(
    management_base: ManagementBase, other_log: LogOf
) -> None:
    webhook = {"webhook_id": other_log.webhook_id}
    old = [other_log.delivery() for _ in range(7)]
    seen: list[str] = []
    for number, page in enumerate(pages(management_base, "/deliveries", per_page=3, **webhook), 1):
        seen += [one["delivery_id"] for one in page["data"]]
        assert page["meta"] | {"next_cursor": None} == {
            "page": number, "per_page": 3, "total": 7, "total_is_exact": True, "next_cursor": None
        }  # fmt: skip
        other_log.delivery()
    assert seen == old[::-1]
    assert len(listed(management_base, "/deliveries", **webhook)) == 10


def test_requests_of_one_microsecond_are_paged_without_a_gap(management_base: ManagementBase, other_log: LogOf) -> None:
    made, at_us = set(), other_log.at_us
    for _ in range(5):
        other_log.at_us = at_us
        made.add(other_log.delivery())
    seen = [
        one["delivery_id"]
        for page in pages(management_base, "/deliveries", per_page=1, webhook_id=other_log.webhook_id)
        for one in page["data"]
    ]
    assert (len(seen), set(seen)) == (5, made)


def test_a_cursor_is_good_for_its_own_list_only(management_base: ManagementBase, other_log: LogOf) -> None:
    base, webhook = management_base, {"webhook_id": other_log.webhook_id}
    other_log.delivery(), other_log.delivery(), other_log.rejection(), other_log.rejection()
    [cursor] = {page["meta"]["next_cursor"] for page in pages(base, "/deliveries", per_page=1, **webhook)} - {None}
    assert base.call("GET", "/deliveries", params={"cursor": cursor, "per_page": 50, **webhook}).status_code == 200
    for path, params in (
        ("/deliveries", {}),
        ("/deliveries", {**webhook, "is_test": "false"}),
        ("/deliveries", {**webhook, "since": "2020-01-01T00:00:00Z"}),
        ("/rejections", webhook),
    ):
        assert "cursor" in problems(base.call("GET", path, params={"cursor": cursor, **params}))
    other = base.other_tenant.headers
    assert "cursor" in problems(base.call("GET", "/deliveries", params={"cursor": cursor, **webhook}, headers=other))
    assert "page" in problems(base.call("GET", "/deliveries", params={"cursor": cursor, "page": 2, **webhook}))


def test_a_page_looks_back_as_far_as_it_must(management_base: ManagementBase, other_log: LogOf) -> None:
    made = []
    for days in (300, 40, 8, 2, 0):
        other_log.at_us = now_us() - days * DAY_US - 2_000
        made.append(other_log.delivery())
    params = {"webhook_id": other_log.webhook_id, "per_page": 2}
    for number, expected in ((1, made[:2:-1]), (2, made[2:0:-1]), (3, made[:1])):
        page = management_base.call("GET", "/deliveries", params={**params, "page": number}).json()
        assert [one["delivery_id"] for one in page["data"]] == expected
        assert page["meta"]["total"] == 5
    within = listed(management_base, "/deliveries", since=rfc3339(now_us() - 10 * DAY_US), **params)
    assert [one["delivery_id"] for one in within] == made[:2:-1]
    for per_page in (1, 2, 4):
        pending = {**params, "per_page": per_page, "dispatch_status": "pending"}
        assert management_base.call("GET", "/deliveries", params=pending).json()["meta"]["total"] == 5


def test_a_long_list_is_counted_only_so_far(
    management_base: ManagementBase, other_log: LogOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "TOTAL_MAX", 3)
    for _ in range(5):
        other_log.delivery()
    params = {"webhook_id": other_log.webhook_id, "per_page": 2}
    meta = management_base.call("GET", "/deliveries", params=params).json()["meta"]
    assert (meta["total"], meta["total_is_exact"]) == (3, False)
    pending = {**params, "dispatch_status": "pending"}
    meta = management_base.call("GET", "/deliveries", params=pending).json()["meta"]
    assert (meta["total"], meta["total_is_exact"]) == (3, False)
    monkeypatch.setattr(log_reader, "TOTAL_MAX", 10_000)
    monkeypatch.setattr(log_reader, "_COUNTED_SECONDS_MAX", 0.0)
    assert management_base.call("GET", "/deliveries", params=pending).json()["meta"]["total_is_exact"], (
        "few are counted"
    )
    monkeypatch.setattr(log_reader, "TOTAL_ENOUGH", 1)
    monkeypatch.setattr(log_reader, "_COUNTED_FIRST", 10_000)
    meta = management_base.call("GET", "/deliveries", params=pending).json()["meta"]
    assert (2 <= meta["total"] <= 5, meta["total_is_exact"]) == (True, False)
    meta = management_base.call("GET", "/deliveries", params={**params, "page": 3}).json()["meta"]
    assert (meta["total"], meta["total_is_exact"]) == (5, True)


def test_an_outcome_not_yet_merged_is_one_row_with_its_request(
    management_base: ManagementBase, other_log: LogOf
) -> None:
    delivery_id = other_log.delivery()
    at_us = other_log.at_us
    for attempt in (1, 2):  # a redelivery, in a batch of its own
        other_log.outcome(delivery_id, at_us, stage="actions", action="createTicket", attempts=attempt)
    webhook = {"webhook_id": other_log.webhook_id}
    [found] = listed(management_base, "/deliveries", action="createTicket", **webhook)
    assert (found["delivery_id"], found["attempts"], found["request"]["body"]) == (delivery_id, 2, "{}")
    assert listed(management_base, "/deliveries", dispatch_status="pending", **webhook) == []


def test_one_delivery_shows_its_stages_its_entity_its_place_and_its_kin(
    management_base: ManagementBase, other_log: LogOf
) -> None:
    ticket, run = str(uuid.uuid4()), str(uuid.uuid4())
    outcome = {"action": "createTicket", "entity_type": "ticket", "entity_id": ticket, "workflow_run_id": run}
    first = other_log.delivery(
        b'{"n":1}',
        facts={"priority": 2, "ingress_us": 1_500},
        outcome={"stage": "actions", "handler_outcome": outcome, "recorded_at": other_log.at_us + 1_000 + 80_000},
    )
    repeated = other_log.delivery(outcome={"dispatch_status": "duplicate", "duplicate_of": first})
    again = other_log.delivery(replay=Replay("r", first, "redrive", 1))
    shown = management_base.call("GET", f"/deliveries/{first}").json()
    assert [(stage["stage"], stage["after_ms"], stage["status"]) for stage in shown["timeline"]] == [
        ("received", 0, None), ("accepted", 1.5, None), ("handled", 80, "dispatched"),
    ]  # fmt: skip
    assert shown["timeline"][0]["at"] == shown["received_at"]
    assert shown["entity"] == {"type": "ticket", "id": ticket, "path": f"/tickets/{ticket}"}
    assert (shown["workflow_run_id"], shown["priority"], shown["action"]) == (run, 2, "createTicket")
    assert [one["delivery_id"] for one in shown["duplicates"]] == [repeated]
    assert [one["delivery_id"] for one in shown["replays"]] == [again]
    assert shown["related_is_complete"] is True
    record = shown["raw_record"]
    assert (record["topic"], record["partition"], len(record["incarnation"])) == (TOPIC, 3, 32)
    of_repeated = management_base.call("GET", f"/deliveries/{repeated}").json()
    assert of_repeated["first_delivery"]["dispatch_status"] == "dispatched"
    assert [stage["stage"] for stage in of_repeated["timeline"]] == ["received", "accepted", "processed"]
    of_again = management_base.call("GET", f"/deliveries/{again}").json()
    assert (of_again["replay_origin"]["delivery_id"], of_again["is_replay"]) == (first, True)


def test_a_delivery_whose_id_tells_another_time_is_found(management_base: ManagementBase, other_log: LogOf) -> None:
    delivery_id = other_log.delivery()
    odd = str(uuid.uuid4())
    other_log.outcome(odd, other_log.at_us)
    moved = delivery_id[:3] + ("0" if delivery_id[3] != "0" else "1") + delivery_id[4:]
    other_log.outcome(moved, other_log.at_us)
    for one in (delivery_id, odd, moved):
        assert management_base.call("GET", f"/deliveries/{one}").json()["delivery_id"] == one
    for missing in (str(uuid.uuid4()), "ffffffff-ffff-7fff-bfff-ffffffffffff", "00000000-0000-7000-8000-000000000000"):
        assert management_base.call("GET", f"/deliveries/{missing}").status_code == 404
