"""Exports of the logs: what is in the files, that memory does not grow with their rows, and how a failure shows."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from management import exports
from tests.support.delivery_log import DAY_US, LogOf, problems
from tests.support.management import API, ManagementBase, bearer, management_base
from tests.support.memory import resident_bytes
from tests.support.wait import eventually

__all__ = ["management_base"]

MANY, FEW = 10_000, 1_000
BODY_BYTES = 20_000
#: An equals sign as wide as an ideograph.
WIDE = "\N{FULLWIDTH EQUALS SIGN}1"
MIB = 1_048_576
#: What the process may need more for ten times the rows: far less than the 180 MB that they are more.
GROWTH_BYTES_MAX = 60 * MIB
ROWS_OF_A_WEBHOOK = """
INSERT INTO deliveries (tenant_id, webhook_id, received_at, delivery_id, request_method, request_path, request_headers,
    request_query, body, source_ip, raw_topic, processed_status, processed_outcome, processed_metadata)
SELECT toUUID({tenant_id:String}), toUUID({webhook_id:String}),
    fromUnixTimestamp64Micro({at_us:Int64} + toInt64(number)), generateUUIDv4(number),
    'POST', '/api/inbound/acme/x', '{"content-type":"application/json"}', '{}',
    concat('{"number":', toString(number), ',"text":"', repeat('x', {body_bytes:UInt64}), '"}'), '203.0.113.9', 't',
    'filtered', '', if(number = {damaged:Int64}, '{', '')
FROM numbers({rows:UInt64})
"""


def exported(base: ManagementBase, path: str = "/deliveries/export", **params: Any) -> httpx.Response:
    answer = base.call("GET", path, params=params)
    assert answer.status_code == 200, answer.text
    return answer


def table(answer: httpx.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def fill(log: LogOf, rows: int, body_bytes: int, *, damaged: int = -1) -> None:
    """Put rows into the log; the metadata of one of them is no JSON, as if it had been damaged."""
    values = {"tenant_id": str(log.tenant.id), "webhook_id": log.webhook_id, "at_us": log.at_us, "rows": rows}
    log.clickhouse.execute(ROWS_OF_A_WEBHOOK, {**values, "body_bytes": body_bytes, "damaged": damaged})


@pytest.fixture
def log(management_base: ManagementBase, clickhouse_engine: ClickHouse) -> LogOf:
    """Of a webhook of its own."""
    return LogOf(clickhouse_engine, management_base.tenant, now_us() - DAY_US)


def test_json_lines_are_the_deliveries_of_the_list_oldest_first(management_base: ManagementBase, log: LogOf) -> None:
    for number in range(3):
        log.delivery(b'{"n":%d}' % number, facts={"priority": number}, outcome={"action": "createTicket"})
    answer = exported(management_base, format="jsonl", webhook_id=log.webhook_id)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    shown = management_base.call("GET", "/deliveries", params={"webhook_id": log.webhook_id}).json()["data"]
    assert lines == shown[::-1]
    assert answer.headers["Content-Type"] == "application/jsonl"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="deliveries-')
    assert answer.headers["Content-Disposition"].endswith('Z.jsonl"')
    fewer = exported(management_base, format="jsonl", webhook_id=log.webhook_id, priority=[0, 2])
    assert [json.loads(line)["priority"] for line in fewer.text.splitlines()] == [0, 2]


def test_bodies_are_left_out_cut_or_whole(management_base: ManagementBase, log: LogOf) -> None:
    log.delivery(b"x" * 3_000)
    found = {}
    for bodies in ("none", "head", "whole"):
        [row] = table(exported(management_base, bodies=bodies, webhook_id=log.webhook_id))
        found[bodies] = (len(row["request_body"]), row["request_body_bytes"], row["request_body_truncated"])
    assert found == {"none": (0, "3000", "true"), "head": (1_024, "3000", "true"), "whole": (3_000, "3000", "false")}


def test_a_csv_is_safe_to_open_in_a_spreadsheet(management_base: ManagementBase, log: LogOf) -> None:
    bodies = [
        "=cmd|' /C calc'!A0",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        '"=1',
        "a;=1,\r\n=2",
        WIDE,
    ]
    for body in bodies:
        log.delivery(body.encode(), dedupe_key=body)
    answer = exported(management_base, webhook_id=log.webhook_id)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    rows = table(answer)
    dangerous = tuple(f"=+-@\t\r\n{WIDE[0]}")
    assert [row["idempotency_key"] for row in rows] == [f"'{b}" if b[0] in dangerous else b for b in bodies]
    assert not [cell for row in rows for cell in row.values() if cell.startswith(dangerous)]
    assert (rows[0]["dispatch_status"], rows[0]["is_test"], rows[0]["ingress_ms"]) == ("pending", "false", "0.74")
    assert json.loads(rows[0]["request_headers"])["x-event"] == "alert.opened"
    assert '"pending"' in answer.text, "texts are quoted, so that no other separator finds one in them"


def test_an_empty_csv_has_its_line_of_names(management_base: ManagementBase) -> None:
    answer = exported(management_base, webhook_id=str(uuid.uuid4()))
    [names] = csv.reader(io.StringIO(answer.text))
    assert {"delivery_id", "request_body", "user_agent_browser", "location_city", "error_code", "priority"} <= {*names}


def test_exports_need_their_own_permission(management_base: ManagementBase) -> None:
    for path, permission in (("/deliveries", "delivery"), ("/rejections", "rejection")):
        reader = bearer(management_base.new_key(f"{permission}:read"))
        exporter = bearer(management_base.new_key(f"{permission}:export"))
        assert management_base.call("GET", f"{path}/export", headers=reader).status_code == 403
        assert management_base.call("GET", f"{path}/export", headers=exporter).status_code == 200
        assert management_base.call("GET", path, headers=exporter).status_code == 403


@pytest.fixture
def no_merges(clickhouse_engine: ClickHouse) -> Iterator[None]:
    """A merge has rows of its own in memory, and they are whose it merges."""
    clickhouse_engine.execute("SYSTEM STOP MERGES deliveries")
    yield
    clickhouse_engine.execute("SYSTEM START MERGES deliveries")


@pytest.mark.usefixtures("no_merges")
def test_memory_does_not_grow_with_the_rows(management_base: ManagementBase, log: LogOf) -> None:
    """One reads the file as it comes, and keeps none of it."""
    grown = {}
    for rows in (FEW, FEW, MANY):  # the first warms everything up
        log.webhook_id = str(uuid.uuid4())
        fill(log, rows, BODY_BYTES)
        before, highest, lines = resident_bytes(), 0, 0
        params = {"format": "jsonl", "webhook_id": log.webhook_id, "bodies": "whole"}
        with management_base.api.stream(
            "GET", f"{API}/deliveries/export", params=params, headers=log.tenant.headers
        ) as answer:
            for chunk in answer.iter_bytes():
                lines += chunk.count(b"\n")
                highest = max(highest, resident_bytes())
        assert lines == rows
        grown[rows] = max(highest - before, 0)  # below: what was before gave memory back meanwhile
    assert grown[MANY] - grown[FEW] < GROWTH_BYTES_MAX, grown


def test_a_failure_in_the_middle_breaks_the_answer_off(management_base: ManagementBase, log: LogOf) -> None:
    fill(log, 3 * exports.BLOCK_ROWS_MAX, 900, damaged=3 * exports.BLOCK_ROWS_MAX - 1)
    received = 0
    with (  # noqa: PT012  # the stream must begin well and then break
        pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"),
        management_base.api.stream(
            "GET",
            f"{API}/deliveries/export",
            params={"format": "jsonl", "webhook_id": log.webhook_id},
            headers=log.tenant.headers,
        ) as answer,
    ):
        assert answer.status_code == 200
        for chunk in answer.iter_bytes():
            received += chunk.count(b"\n")
    assert received > 0


def test_what_is_wrong_before_the_first_row_is_an_ordinary_error(management_base: ManagementBase) -> None:
    base = management_base
    assert "body_path" in problems(base.call("GET", "/deliveries/export", params={"body_path": "$["}))
    assert "format" in problems(base.call("GET", "/deliveries/export", params={"format": "xlsx"}))
    assert "cursor" in problems(base.call("GET", "/rejections/export", params={"cursor": "x"}))


def _reading(base: ManagementBase, log: LogOf) -> Iterator[bytes]:
    params = {"format": "jsonl", "webhook_id": log.webhook_id, "bodies": "whole"}
    with (
        httpx.Client(base_url=base.api.base_url, trust_env=False, timeout=60) as client,
        client.stream("GET", f"{API}/deliveries/export", params=params, headers=log.tenant.headers) as answer,
    ):
        assert answer.status_code == 200
        yield from answer.iter_raw(1)


def test_a_few_run_at_once_and_one_that_is_broken_off_makes_room(management_base: ManagementBase, log: LogOf) -> None:
    fill(log, 3_000, 20_000)
    others = [_reading(management_base, log) for _ in range(exports.EXPORTS_AT_ONCE_MAX)]
    for other in others:
        next(other)

    def status() -> int:
        params = {"webhook_id": str(uuid.uuid4())}
        answer = management_base.call("GET", "/deliveries/export", params=params)
        assert answer.status_code == 200 or int(answer.headers["Retry-After"]) > 0
        return answer.status_code

    assert status() == 429
    for other in others:
        other.close()  # type: ignore[attr-defined]  # a generator
    eventually(lambda: status() == 200, timeout_seconds=30, what="the room is given back")


def test_rejections_are_filtered_paged_and_exported_the_same_way(management_base: ManagementBase, log: LogOf) -> None:
    base, webhook = management_base, {"webhook_id": log.webhook_id}
    other = str(uuid.uuid4())
    first = log.rejection(reason="rate_limited", count=4)
    second = log.rejection(webhook_id=other)

    def ids(**params: Any) -> list[str]:
        answer = base.call("GET", "/rejections", params=params)
        assert answer.status_code == 200, answer.text
        return [one["rejection_id"] for one in answer.json()["data"]]

    assert ids(**webhook) == [first]
    both = {"webhook_id": [log.webhook_id, other]}
    assert ids(**both) == [second, first]
    assert ids(reason=["rate_limited", "timed_out"], **both) == [first]
    assert ids(method="GET", **both) == []
    assert ids(method=["GET", "POST"], **both) == [second, first]
    assert ids(source_ip="203.0.113.0/24", **both) == [second, first]
    assert ids(source_ip="203.0.113.8", **both) == []
    page = base.call("GET", "/rejections", params={**both, "per_page": 1}).json()
    assert page["meta"]["total"] == 2
    log.rejection()
    assert ids(cursor=page["meta"]["next_cursor"], **both) == [first]
    rows = table(exported(base, "/rejections/export", **both, reason="rate_limited"))
    assert [(row["rejection_id"], row["count"]) for row in rows] == [(first, "4")]
    assert "faster than the webhook's rate" in rows[0]["explanation"]
    shown = base.call("GET", f"/rejections/{first}").json()
    assert shown["raw_record"]["topic"] == "webhooks.request.rejected.v1"
    assert "source_ip" in problems(base.call("GET", "/rejections", params={"source_ip": "all"}))
