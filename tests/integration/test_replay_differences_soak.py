"""A dry run over very many deliveries: in flat memory, and giving way to the rest of the API."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from tests.support.delivery_log import DAY_US
from tests.support.management import API, ManagementBase, management_base
from tests.support.memory import Peak
from tests.support.webhooks import create_webhook, ticket_handler

__all__ = ["management_base"]

pytestmark = pytest.mark.soak
FEW, MANY = 20_000, 1_000_000
MIB = 1_048_576
#: What the process may need more for fifty times the deliveries. Their bodies alone are 1,870 MiB more.
GROWTH_BYTES_MAX = 64 * MIB
#: While a dry run works another call has its answer.
ANSWER_SECONDS_MAX = 5.0
BODY_BYTES = 2_000
ROWS = """
INSERT INTO deliveries (tenant_id, webhook_id, received_at, delivery_id, config_version, idempotency_key,
    request_method, request_path, request_headers, request_query, content_type, body, body_redacted, source_ip,
    invalid_json, is_test, raw_topic, raw_incarnation, raw_partition, raw_offset, processed_status, processed_outcome)
SELECT toUUID({tenant_id:String}), toUUID({webhook_id:String}),
    fromUnixTimestamp64Micro({at_us:Int64} + toInt64(number)), generateUUIDv4(number), 1, toString(number), 'POST',
    '/api/inbound/acme/x', '{}', '{}', 'application/json',
    concat('{"alert":{"client":"Acme Ltd","title":"', toString(number), '","id":"', toString(number), '"},"text":"',
        repeat('x', {body_bytes:UInt64}), '"}'),
    false, '203.0.113.9', false, false, 'webhooks.request.received.v1', 'soak', number % 6, number, 'dispatched', ''
FROM numbers({rows:UInt64})
"""


@pytest.fixture
def no_merges(clickhouse_engine: ClickHouse) -> Iterator[None]:
    """A merge has rows of its own in memory, and they are whose it merges."""
    clickhouse_engine.execute("SYSTEM STOP MERGES deliveries")
    yield
    clickhouse_engine.execute("SYSTEM START MERGES deliveries")


@pytest.mark.usefixtures("no_merges")
def test_memory_stays_flat(management_base: ManagementBase, clickhouse_engine: ClickHouse) -> None:
    base, grown = management_base, {}
    handler = ticket_handler(external_id="alert.id")
    for rows in (FEW, FEW, MANY):  # the first warms everything up
        webhook = create_webhook(base, f"soak-{uuid.uuid4().hex[:8]}", handler_config=handler)
        values = {"tenant_id": str(base.tenant.id), "webhook_id": webhook["id"], "at_us": now_us() - DAY_US}
        clickhouse_engine.execute(ROWS, {**values, "rows": rows, "body_bytes": BODY_BYTES})
        changed = {"handler_config": {"field_mapping": {"description": "'at ' & alert.title"}}}
        assert base.call("PATCH", f"/inbound-webhooks/{webhook['id']}", json=changed).status_code == 200
        body = {"mode": "redrive", "selection": {"filter": {"webhook_id": [webhook["id"]]}}}
        with Peak() as peak:
            lines, slowest = _read(base, body)
        grown[rows] = peak.grown_bytes
        print(f"{rows} deliveries: {grown[rows] / MIB:.0f} MiB more, another call took up to {slowest:.2f} s")  # noqa: T201
        assert lines == rows
        assert slowest < ANSWER_SECONDS_MAX
    assert grown[MANY] - grown[FEW] < GROWTH_BYTES_MAX, grown


def _read(base: ManagementBase, body: Mapping[str, Any]) -> tuple[int, float]:
    """How many lines the file has, which is not kept, and how long other calls took meanwhile."""
    lines, slowest, began, asked = 0, 0.0, time.monotonic(), 0.0
    with base.api.stream(
        "POST",
        API + "/replays/dry-run",
        params={"format": "jsonl"},
        json=body,
        headers=base.tenant.headers,
        timeout=600,
    ) as answer:
        assert answer.status_code == 200
        for chunk in answer.iter_raw():
            lines += chunk.count(b"\n")
            if time.monotonic() - asked > 1:
                asked = time.monotonic()
                assert base.call("GET", "/inbound-webhooks").status_code == 200
                slowest = max(slowest, time.monotonic() - asked)
    print(f"{lines / (time.monotonic() - began):.0f} deliveries/s")  # noqa: T201
    return lines, slowest
