"""docs/delivery-log.md: every call that it shows, and what it says the call finds."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from infra.clickhouse import ClickHouse
from infra.clock import now_us
from management.deliveries.filters import DeliveryConditions, DeliveryExport, DeliveryFilter
from management.rejections.schemas import RejectionConditions
from tests.support.delivery_log import LogOf
from tests.support.documented import DOCS
from tests.support.management import API, ManagementBase, management_base

__all__ = ["management_base"]

PAGE = (DOCS / "delivery-log.md").read_text("utf-8")
CALLS: list[tuple[str, str]] = re.findall(r"(?m)^`GET /api/v1(\S+\?\S+)` finds: (.+)$", PAGE)


@pytest.fixture(scope="module")
def names(management_base: ManagementBase, clickhouse_engine: ClickHouse) -> Mapping[str, str]:
    """What the page calls them, by their ids; and the webhook's id by its own word."""
    log = LogOf(clickhouse_engine, management_base.tenant, now_us() - 60_000_000)
    made = {
        log.delivery(
            b'{"device":{"name":"srv-01","load":0.5},"alerts":[{"id":7},{"id":8}]}',
            facts={"priority": 3},
            outcome={
                "stage": "actions",
                "handler": "action",
                "action": "createTicket",
                "handler_outcome": {"action": "createTicket", "entity_type": "ticket", "entity_id": log.webhook_id},
            },
        ): "critical",
        log.delivery(
            b'{"device":{"name":"srv-02","load":1.5},"alerts":[]}',
            facts={"priority": 1},
            outcome={"dispatch_status": "failed", "error": {"code": "LOOKUP_MISS", "message": "m", "path": None}},
        ): "lookup-miss",
        log.delivery(b"one=1&two=2"): "form",
        log.rejection(reason="rejected_signature"): "wrong-signature",
    }
    return {**made, "{webhook}": log.webhook_id}


@pytest.mark.parametrize(("path", "found"), CALLS)
def test_a_call_finds_what_the_page_says(
    management_base: ManagementBase, names: Mapping[str, str], path: str, found: str
) -> None:
    base = management_base
    answer = base.api.get(API + path.replace("{webhook}", names["{webhook}"]), headers=base.tenant.headers)
    assert answer.status_code == 200, answer.text
    seen = [name for id_, name in names.items() if id_ in answer.text]
    assert seen == re.findall(r"`([a-z-]+)`", found)


def test_the_page_names_every_filter_and_shows_calls() -> None:
    filters = {*DeliveryConditions.model_fields, *RejectionConditions.model_fields}
    others = {*DeliveryFilter.model_fields, *DeliveryExport.model_fields}
    assert {name for name in filters | others if f"`{name}`" not in PAGE} == set()
    assert len(CALLS) == PAGE.count("` finds: ") >= 8
