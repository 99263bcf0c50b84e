"""Deliveries made by ClickHouse itself: bodies of 400 to 900 bytes, 20 tenants, one webhook with a million a day."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.clickhouse import ClickHouse
from infra.clock import MICROSECONDS
from infra.queries import load_queries, put_together

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
BLOCK_ROWS = 250_000
#: Three in five are of the large webhook: 1.04 million a day.
ROWS_PER_SECOND = 20
_TENANTS, _WEBHOOKS = 20, 2_000


def fill(clickhouse: ClickHouse, rows: int, newest_us: int) -> Mapping[str, Any]:
    """`rows` deliveries, the last received at `newest_us`: requests per second and outcomes per second."""
    began_us = newest_us - rows * MICROSECONDS // ROWS_PER_SECOND
    spent = {"insert_requests": 0.0, "insert_outcomes": 0.0}
    for first_row in range(0, rows, BLOCK_ROWS):
        parameters = {
            "first_row": first_row,
            "rows": min(BLOCK_ROWS, rows - first_row),
            "webhooks": _WEBHOOKS,
            "tenants": _TENANTS,
            "began_us": began_us,
            "rows_per_second": ROWS_PER_SECOND,
        }
        for statement in spent:
            started = time.perf_counter()
            clickhouse.execute(put_together(QUERIES, statement), parameters)
            spent[statement] += time.perf_counter() - started
    return {
        "requests_per_second": round(rows / spent["insert_requests"]),
        "outcomes_per_second": round(rows / spent["insert_outcomes"]),
        "seconds": round(sum(spent.values()), 1),
    }
