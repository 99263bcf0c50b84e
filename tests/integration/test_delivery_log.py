"""The log of deliveries over the API: every filter, searches in bodies, pages by cursor, one delivery in whole."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from infra.clickhouse import ClickHouse
from infra.clock import now_us, rfc3339
from management import log_reader
from schemas.headers import Replay
from tests.support.delivery_log import DAY_US, TOPIC, LogOf, listed, pages, problems
from tests.support.management import ManagementBase, make_tenant, management_base

__all__ = ["management_base"]

ENTITY = str(uuid.uuid4())
ORIGIN = str(uuid.uuid4())
BODY: dict[str, Any] = {
    "device": {"name": "srv-01", "note": "50% of 'all' \"x\" \\ ü", "up": True, "gone": None, "load": 1.5, "n": 12},
    "alerts": [{"id": 7, "tags": ["disk", 3]}, {"id": 8, "tags": []}],
    "a.b": "dotted",
    "it's": "quoted",
    "at": "2026-03-01T00:00:00Z",
    "big": 9007199254740993,
    "escaped": "overload",
}
#: As a sender may write it: the value of `escaped` is nowhere in these bytes.
WRITTEN = json.dumps(BODY, ensure_ascii=False).replace('"overload"', '"\\u006fverload"').encode()
WEBHOOK_ID, OTHER_WEBHOOK_ID = str(uuid.uuid4()), str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Filled:
    """One delivery that has everything, and one that has something else everywhere."""

    rich: str
    plain: str
    since: str


@pytest.fixture(scope="module")
def filled(management_base: ManagementBase, clickhouse_engine: ClickHouse) -> Filled:
    log = LogOf(clickhouse_engine, management_base.tenant, now_us() - DAY_US // 24, WEBHOOK_ID)
    outcome = {"action": "createTicket", "entity_type": "ticket", "entity_id": ENTITY, "created": True}
    rich = log.delivery(
        WRITTEN,
        facts={"priority": 3, "source_ip": "2001:db8::7"},
        dedupe_key="alert 7",
        is_test=True,
        replay=Replay("r1", ORIGIN, "redrive", 1),
        traceparent="00-11111111111111111111111111111111-b7ad6b7169203331-01",
        outcome={
            "stage": "actions",
            "recorded_at": log.at_us + 1_000 + 250_000,
            "handler_outcome": outcome,
            "handler": "action",
            "action": "createTicket",
            "is_test": True,
        },
    )
    plain = log.delivery(
        b"a=1&b=two",
        facts={"priority": 1},
        webhook_id=OTHER_WEBHOOK_ID,
        outcome={
            "dispatch_status": "failed",
            "error": {"code": "LOOKUP_MISS", "message": "no client", "path": None},
            "handler": "workflow",
            "duplicate_of": rich,
            "recorded_at": log.at_us + 1_000 + 5_000,
        },
    )
    return Filled(rich, plain, rfc3339(log.at_us - DAY_US))


#: By filter: values that fit the rich delivery alone, and values that fit the plain one alone.
FILTERS: list[tuple[str, Any, Any]] = [
    ("webhook_id", WEBHOOK_ID, OTHER_WEBHOOK_ID),
    ("dispatch_status", ["dispatched", "pending"], "failed"),
    ("error_code", None, ["LOOKUP_MISS", "CONFLICT"]),
    ("priority", ["3", "2"], "1"),
    ("handler", "action", "workflow"),
    ("action", ["createTicket", "other"], None),
    ("entity_type", "ticket", None),
    ("entity_id", ENTITY, None),
    ("source_ip", "2001:db8::/32", ["203.0.113.9", "10.0.0.0/8"]),
    ("source_ip", "2001:DB8:0::7", "203.0.113.0/24"),
    ("duration_ms_min", "250", None),
    ("duration_ms_max", None, "5"),
    ("is_replay", "true", "false"),
    ("is_test", "true", "false"),
    ("idempotency_key", "alert 7", None),
    ("duplicate_of", None, "{rich}"),
    ("replayed_from", ORIGIN, None),
    ("trace_id", "1" * 32, "0af7651916cd43dd8448eb211c80319c"),
    ("body_contains", 'all\' \\"x\\" \\\\ ü', "b=two"),
    ("auth_status", None, None),
]


@pytest.mark.parametrize(("name", "of_rich", "of_plain"), FILTERS, ids=[name for name, *_ in FILTERS])
def test_a_filter_finds_what_fits_and_nothing_else(
    management_base: ManagementBase, filled: Filled, name: str, of_rich: Any, of_plain: Any
) -> None:
    for value, expected in ((of_rich, filled.rich), (of_plain, filled.plain)):
        if value is not None:
            value = filled.rich if value == "{rich}" else value
            found = listed(management_base, "/deliveries", since=filled.since, **{name: value})
            assert [one["delivery_id"] for one in found] == [expected]
    of_nothing = {"auth_status": "rejected_ip", "body_contains": "B=TWO", "duration_ms_min": "251", "action": "x"}
    if name in of_nothing:
        assert listed(management_base, "/deliveries", since=filled.since, **{name: of_nothing[name]}) == []


def test_filters_go_together(management_base: ManagementBase, filled: Filled) -> None:
    both = {"auth_status": ["verified", "rejected_ip"], "webhook_id": [WEBHOOK_ID, OTHER_WEBHOOK_ID]}
    found = [one["delivery_id"] for one in listed(management_base, "/deliveries", **both)]
    assert found == [filled.plain, filled.rich]
    assert listed(management_base, "/deliveries", dispatch_status="failed", is_test="true") == []


#: Path, operator, value, and whether the rich delivery fits. The plain one's body is a form: it has no values.
SEARCHES: list[tuple[str, str, str | None, bool]] = [
    ("$.device.name", "equals", "srv-01", True),
    ("device.name", "equals", "srv-02", False),
    ("$.device.name", "not_equals", "srv-02", True),
    ("$.device.name", "not_equals", "srv-01", False),
    ("$.device.missing", "not_equals", "srv-01", True),
    ("$.device.name", "contains", "v-0", True),
    ("$.device.name", "not_contains", "v-0", False),
    ("$.device.name", "starts_with", "srv", True),
    ("$.device.name", "starts_with", "rv", False),
    ("$.device.name", "ends_with", "-01", True),
    ("$.device.name", "ends_with", "-0", False),
    ("$.device.name", "exists", None, True),
    ("$.device.name[0]", "exists", None, False),
    ("$.device[0]", "exists", None, False),
    ("$.device.gone", "exists", None, True),
    ("$.device.lost", "not_exists", None, True),
    ("$.device.note", "equals", BODY["device"]["note"], True),
    ("$.device.note", "contains", "'all' \"x\" \\", True),
    ("$.device.up", "equals", "true", True),
    ("$.device.gone", "equals", "null", True),
    ("$.device.n", "equals", "12", True),
    ("$.device.n", "equals", "12.0", True),
    ("$.device.n", "equals", "13", False),
    ("$.device.load", "equals", "1.50", True),
    ("$.big", "equals", "9007199254740993", True),
    ("$.big", "equals", "9007199254740992", False),
    ("$.device.n", "greater_than", "9", True),
    ("$.device.n", "greater_than", "12", False),
    ("$.device.n", "less_than", "12.5", True),
    ("$.device.name", "greater_than", "9", False),
    ("$.at", "greater_than", "2026-02-28", True),
    ("$.at", "less_than", "2026-02-28", False),
    ("$.alerts[0].id", "equals", "7", True),
    ("$.alerts[-1].id", "equals", "8", True),
    ("$.alerts[2].id", "exists", None, False),
    ("$.alerts[*].id", "equals", "8", True),
    ("$.alerts[*].id", "equals", "9", False),
    ("$.alerts[*].id", "not_equals", "8", False),
    ("$.alerts[*].tags[*]", "equals", "disk", True),
    ("$.alerts[*].tags", "contains", "3", True),
    ("$.alerts[*].tags", "contains", "dis", False),
    ("$.device.*", "equals", "srv-01", True),
    ("$.*", "equals", "dotted", True),
    ("$['a.b']", "equals", "dotted", True),
    ('$["it\'s"]', "equals", "quoted", True),
    ("$", "exists", None, True),
    ("$.escaped", "equals", "overload", True),
    ("$.escaped", "contains", "verl", True),
    ("$.escaped", "starts_with", "over", True),
    ("$.escaped", "not_equals", "overload", False),
    ("$.lost", "equals", "overload", False),
]


def test_a_path_into_the_body_finds_what_fits(management_base: ManagementBase, filled: Filled) -> None:
    wrong = []
    for path, operator, value, fits in SEARCHES:
        params = {"body_path": path, "body_op": operator, **({} if value is None else {"body_value": value})}
        found = listed(management_base, "/deliveries", webhook_id=WEBHOOK_ID, since=filled.since, **params)
        if [one["delivery_id"] for one in found] != ([filled.rich] if fits else []):
            wrong.append((path, operator, value))
    assert wrong == []


INJECTIONS = ("' OR 1=1 --", "'); DROP TABLE deliveries; --", "\\' OR ''='", "{tenant_id:UUID}", "/*conditions*/")


def test_what_looks_like_sql_is_only_a_value(management_base: ManagementBase, filled: Filled) -> None:
    for text in INJECTIONS:
        for params in (
            {"body_contains": text},
            {"body_path": f"$[{json.dumps(text)}]", "body_op": "exists"},
            {"body_path": "$.device.name", "body_value": text},
            {"idempotency_key": text},
            {"action": text},
            {"entity_type": text},
        ):
            assert listed(management_base, "/deliveries", webhook_id=WEBHOOK_ID, since=filled.since, **params) == []
    assert listed(management_base, "/deliveries", webhook_id=WEBHOOK_ID) != []


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"body_path": "$.a[", "body_value": "x"}, "body_path"),
    ({"body_path": "$.a) OR 1=1", "body_value": "x"}, "body_path"),
    ({"body_path": "$" + ".a" * 33, "body_value": "x"}, "body_path"),
    ({"body_path": "$.a", "body_op": "like", "body_value": "x"}, "body_op"),
    ({"body_path": "$.a"}, "body_value"),
    ({"body_path": "$.a", "body_op": "exists", "body_value": "x"}, "body_value"),
    ({"body_value": "x"}, "body_value"),
    ({"body_op": "equals"}, "body_op"),
    ({"source_ip": "203.0.113.300"}, "source_ip"),
    ({"priority": "4"}, "priority.0"),
    ({"webhook_id": "1"}, "webhook_id.0"),
    ({"dispatch_status": ["failed", "lost"]}, "dispatch_status.1"),
    ({"duration_ms_min": "5", "duration_ms_max": "4"}, "duration_ms_max"),
    ({"duration_ms_min": "-1"}, "duration_ms_min"),
    ({"dispatch_state": "failed"}, "dispatch_state"),
    ({"cursor": "x"}, "cursor"),
    ({"cursor": "é"}, "cursor"),
]


@pytest.mark.parametrize(("params", "path"), WRONG)
def test_a_wrong_filter_is_refused_by_its_name(
    management_base: ManagementBase, params: dict[str, Any], path: str
) -> None:
    answer = management_base.call("GET", "/deliveries", params={"webhook_id": WEBHOOK_ID, **params})
    assert path in problems(answer), answer.text


def test_a_search_in_bodies_is_of_a_webhook_or_of_a_month(management_base: ManagementBase, filled: Filled) -> None:
    base, search = management_base, {"body_contains": "srv-01"}
    assert "31 days" in problems(base.call("GET", "/deliveries", params=search))["since"]
    long = {**search, "since": "2026-01-01T00:00:00Z", "until": "2026-02-02T00:00:00Z"}
    assert "since" in problems(base.call("GET", "/deliveries", params=long))
    assert "since" in problems(base.call("GET", "/deliveries/export", params=search))
    assert [one["delivery_id"] for one in listed(base, "/deliveries", since=filled.since, **search)] == [filled.rich]


def test_a_search_that_takes_too_long_says_what_to_do(
    management_base: ManagementBase, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "SEARCH_SECONDS_MAX", 0.0)
    monkeypatch.setattr(log_reader, "_SECONDS_MIN", 0.000_001)
    answer = management_base.call("GET", "/deliveries", params={"webhook_id": WEBHOOK_ID})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "search_too_wide")
    assert "since and until" in answer.json()["error"]["message"]


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


def test_another_tenant_finds_none_of_them(management_base: ManagementBase, filled: Filled) -> None:
    stranger = make_tenant(management_base.dsn, f"t{uuid.uuid4().hex[:8]}").headers
    for params in ({}, {"body_path": "$", "body_op": "exists", "webhook_id": WEBHOOK_ID}, {"webhook_id": WEBHOOK_ID}):
        assert management_base.call("GET", "/deliveries", params=params, headers=stranger).json()["data"] == []
        exported = management_base.call(
            "GET", "/deliveries/export", params={**params, "format": "jsonl"}, headers=stranger
        )
        assert (exported.status_code, exported.text) == (200, "")
    assert management_base.call("GET", f"/deliveries/{filled.rich}", headers=stranger).status_code == 404
