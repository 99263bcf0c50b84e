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
from tests.support.delivery_log import DAY_US, LogOf, listed, problems
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


def test_another_tenant_finds_none_of_them(management_base: ManagementBase, filled: Filled) -> None:
    stranger = make_tenant(management_base.dsn, f"t{uuid.uuid4().hex[:8]}").headers
    for params in ({}, {"body_path": "$", "body_op": "exists", "webhook_id": WEBHOOK_ID}, {"webhook_id": WEBHOOK_ID}):
        assert management_base.call("GET", "/deliveries", params=params, headers=stranger).json()["data"] == []
        exported = management_base.call(
            "GET", "/deliveries/export", params={**params, "format": "jsonl"}, headers=stranger
        )
        assert (exported.status_code, exported.text) == (200, "")
    assert management_base.call("GET", f"/deliveries/{filled.rich}", headers=stranger).status_code == 404
