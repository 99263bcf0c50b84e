"""Records become rows of the declared shape; what breaks the contract is kept apart and named."""

import json

import orjson
import pytest

from infra.enrichment.locations import Location
from infra.requests.redaction import compile_redaction
from infra.retention.days import NIL, Retention, Setting, expires_at
from schemas.records import DispatchStatus
from sinks.clickhouse.core.outcomes import build_outcomes
from sinks.clickhouse.core.rejections import build_rejections
from sinks.clickhouse.core.requests import build_requests
from sinks.clickhouse.core.rows import Source
from tests.support.analytics import (
    BODY,
    FACTS,
    TENANT,
    WEBHOOK,
    MadeRecord,
    outcome_record,
    rejection_record,
    request_record,
)

SOURCE = Source("topic", "incarnation", 3)
AT = 1_790_000_000_000_000
ID = "0192f0c0-0000-7000-8000-000000000011"


def test_a_request_keeps_every_byte_and_says_where_it_came_from() -> None:
    record = request_record(ID, AT, b"\xff\x00body", dedupe_key="k")
    [rows] = build_requests([record], SOURCE)
    [row] = rows.columns.to_pylist()
    assert row["body"] == b"\xff\x00body"
    assert (row["raw_topic"], row["raw_incarnation"], row["raw_partition"]) == ("topic", "incarnation", 3)
    assert row["raw_offset"] == record.offset()
    assert row["received_at"].timestamp() * 1_000_000 == AT
    assert orjson.loads(row["request_headers"])["x-event"] == "alert.opened"
    assert row["replay_id"] is None


def test_bodies_searched_together_are_masked_as_each_alone() -> None:
    form, json_type = "application/x-www-form-urlencoded", "application/json"
    sent: list[tuple[bytes, str, list[str]]] = [
        (b'{"text": "fine"}', json_type, []),
        (b'{"PassWord": "x", "text": "fine"}', json_type, []),
        (rb'{"\u0070assword": "x"}', json_type, []),
        (b"\xff\xfe\x00 TOKEN=abc", "text/plain", []),
        (b"\xff\xe2\x84\xaaey=abc", "text/plain", []),
        (b"p%61ss=x&text=fine", form, []),
        (b"50%=x&t%6=fine", form, []),
        (b"", json_type, ["$.text"]),
        (b'{"text": "fine"}', json_type, ["$.text"]),
        (b"not json", json_type, ["$.text"]),
        (b"", json_type, []),
    ]
    facts = [FACTS.model_copy(update={"content_type": kind, "redact_paths": paths}) for _, kind, paths in sent]
    records = [
        request_record(ID, AT, body, request=orjson.dumps(fact.model_dump()))
        for (body, _, _), fact in zip(sent, facts, strict=True)
    ]
    [rows] = build_requests(records, SOURCE)
    alone = [compile_redaction(tuple(paths)).show(body, kind) for body, kind, paths in sent]
    assert [(row["body"], row["body_redacted"]) for row in rows.columns.to_pylist()] == alone
    assert rows.columns["body_bytes"].to_pylist() == [len(body) for body, _, _ in sent]
    assert {redacted for _, redacted in alone} == {True, False}


def test_what_rows_have_in_common_stays_with_its_row() -> None:
    senders = [("203.0.113.9", None), ("203.0.113.8", "curl/8.1"), ("203.0.113.9", "curl/8.1"), ("203.0.113.7", "")]
    places = {
        "203.0.113.9": Location("DE", "Germany", latitude=0.0, asn=7),
        "203.0.113.8": Location("FR", longitude=1.5),
    }
    records = [
        request_record(ID, AT, request=orjson.dumps({**FACTS.model_dump(), "source_ip": ip, "user_agent": agent}))
        for ip, agent in senders
    ]
    [rows] = build_requests(records, SOURCE, locate=places.get)
    seen = rows.columns.to_pylist()
    assert [row["location_country_code"] for row in seen] == ["DE", "FR", "DE", None]
    assert [row["location_country"] for row in seen] == ["Germany", None, "Germany", None]
    assert [(row["location_latitude"], row["location_longitude"]) for row in seen] == [
        (0.0, None),
        (None, 1.5),
        (0.0, None),
        (None, None),
    ]
    assert [row["location_asn"] for row in seen] == [7, None, 7, None]
    assert [row["user_agent_browser"] for row in seen] == [None, "curl 8", "curl 8", None]


def test_rows_say_when_they_expire_only_where_somebody_wants_something_else() -> None:
    settings = {(TENANT, NIL): Setting(10, 100, 3), (TENANT, WEBHOOK): Setting(0, 7)}
    by_webhook, by_tenant = request_record(ID, AT, b"b" * 2_000), request_record(ID, AT, webhook_id=ID)
    of_nobody = request_record(ID, AT, tenant_id=ID)
    [requests] = build_requests([by_webhook, by_tenant, of_nobody], SOURCE, read_retention=lambda: Retention(settings))
    [outcomes] = build_outcomes([outcome_record(ID, AT)], SOURCE, read_retention=lambda: Retention(settings))
    [rejections] = build_rejections(
        [rejection_record(ID, AT), rejection_record(ID, AT, tenant_id=None)],
        SOURCE,
        read_retention=lambda: Retention(settings),
    )
    first, second, third = requests.columns.to_pylist()
    seconds, day = AT // 1_000_000, 86_400
    assert (first["body_expires_at"], first["row_expires_at"]) == (seconds, seconds + 7 * day)
    assert (first["body"], first["body_head"], first["body_bytes"]) == (None, b"b" * 1_024, 2_000)
    assert (second["body_expires_at"], second["row_expires_at"]) == (seconds + 10 * day, seconds + 100 * day)
    assert (second["body"], second["body_head"]) == (BODY, BODY)
    assert (third["body_expires_at"], third["row_expires_at"]) == (None, None)
    [outcome] = outcomes.columns.to_pylist()
    assert (outcome["body_expires_at"], outcome["row_expires_at"]) == (seconds, seconds + 7 * day)
    assert rejections.columns.column("expires_at").to_pylist() == [seconds + 3 * day, None]


def test_an_expiry_beyond_what_the_column_holds_is_its_last_second() -> None:
    assert expires_at(4_102_000_000_000_000, 3_650) == 2**32 - 1


def test_records_of_one_delivery_fold_into_one_row_with_the_last_of_each_group() -> None:
    records = [
        outcome_record(ID, AT, recorded_at=AT + 1),
        outcome_record(ID, AT, stage="actions", dispatch_status=DispatchStatus.FAILED, attempts=1),
        outcome_record(ID, AT, stage="actions", dispatch_status=DispatchStatus.DISPATCHED, attempts=2),
        outcome_record(ID, AT, recorded_at=AT + 9),
    ]
    [rows] = build_outcomes(records, SOURCE)
    [row] = rows.columns.to_pylist()
    assert (row["processed_status"], row["processed_offset"]) == ("dispatched", records[3].offset())
    assert (row["handled_status"], row["handled_attempts"], row["handled_offset"]) == (
        "dispatched",
        2,
        records[2].offset(),
    )
    assert rows.offsets == ([records[3].offset()], [records[2].offset()])


def test_a_group_that_says_nothing_stays_null_and_one_that_speaks_is_written_whole() -> None:
    [rows] = build_outcomes([outcome_record(ID, AT)], SOURCE)
    [row] = rows.columns.to_pylist()
    assert {value for name, value in row.items() if name.startswith("handled_")} == {None}
    assert [name for name, value in row.items() if name.startswith("processed_") and value is None] == []


def test_an_outcome_without_its_request_says_of_what_it_is_a_replay() -> None:
    record = outcome_record(ID, AT, stage="actions", replay_id="r", replayed_from="origin")
    [rows] = build_outcomes([record], SOURCE)
    [row] = rows.columns.to_pylist()
    assert (row["replay_id"], row["replayed_from"]) == ("r", "origin")


def test_a_filtered_request_is_a_row_with_its_rule_big_integers_included() -> None:
    outcome = {"stopped_by": {"path": "filters.all.0", "rule": {"value": 10**30}}}
    record = outcome_record(ID, AT, dispatch_status=DispatchStatus.FILTERED, handler_outcome=outcome)
    [rows] = build_outcomes([record], SOURCE)
    [row] = rows.columns.to_pylist()
    assert row["processed_status"] == "filtered"
    assert json.loads(row["processed_outcome"]) == outcome


def test_an_unknown_tenant_of_a_rejection_is_the_nil_id() -> None:
    [rows] = build_rejections([rejection_record(ID, AT, tenant_id=None, webhook_id=None)], SOURCE)
    [row] = rows.columns.to_pylist()
    assert {row["tenant_id"], row["webhook_id"]} == {"00000000-0000-0000-0000-000000000000"}


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff\xfe", b"[1]", b'{"delivery_id": 5}'])
def test_a_record_that_cannot_be_read_is_kept_beside_the_good_ones(value: bytes) -> None:
    good, broken = outcome_record(ID, AT), MadeRecord(b"key", value, [("h", b"\x00")])
    deliveries, undecodable = build_outcomes([broken, good], SOURCE)
    assert deliveries.columns.num_rows == 1
    [row] = undecodable.columns.to_pylist()
    assert (row["offset"], row["key"], row["value"]) == (broken.offset(), b"key", value)
    assert row["headers"] == b'[["h","AA=="]]'
    assert row["error"]


@pytest.mark.parametrize(
    "members",
    [
        {"tenant_id": "x"},
        {"tenant_id": TENANT + "\n"},
        {"recorded_at": 0},
        {"attempts": -1},
        {"attempts": 2**40},
        {"received_at_override": 2**70},
    ],
)
def test_a_value_that_does_not_fit_its_column_is_undecodable(members: dict[str, object]) -> None:
    received_at = members.pop("received_at_override", AT)
    record = outcome_record(ID, received_at, **members)  # type: ignore[arg-type]
    [undecodable] = build_outcomes([record], SOURCE)
    assert undecodable.table == "undecodable_records"
