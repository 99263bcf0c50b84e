"""What stands beside the webhooks: the actions they can run, and each one's own deliveries."""

import json
from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

import pytest

from infra.actions.registry import load_actions
from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.ids import uuid7_text
from schemas.records import DispatchStatus
from sinks.clickhouse.core.outcomes import build_outcomes
from sinks.clickhouse.core.requests import build_requests
from sinks.clickhouse.core.rows import Source
from sinks.clickhouse.writer import BatchWriter
from tests.support.analytics import outcome_record, request_record
from tests.support.management import KnownTenant, ManagementBase, bearer


def test_actions_are_discovered_with_everything_but_their_code(management_base: ManagementBase) -> None:
    answer = management_base.call("GET", "/inbound-webhooks/actions")
    assert answer.status_code == 200, answer.text
    shown, registry = answer.json()["data"], load_actions()
    assert [action["name"] for action in shown] == list(registry)
    assert (len(shown), len({action["entity_type"] for action in shown})) == (14, 8)
    assert shown == sorted(shown, key=lambda action: (action["entity_type"], action["name"]))
    assert answer.json()["meta"] == {"page": 1, "per_page": len(shown), "total": len(shown)}
    code = {"handle", "handle_many"}
    for action in shown:
        registered = registry[action["name"]]
        members = asdict(registered.definition)
        told = json.loads(json.dumps({name: member for name, member in members.items() if name not in code}))
        assert action == {**told, "package": "hookline"}
    [create] = [action for action in shown if action["name"] == "createTicket"]
    [title] = [field for field in create["target_fields"] if field["name"] == "title"]
    assert (title["type"], title["required"], title["max_length"]) == ("string", True, 500)
    [existing] = [option for option in create["options"] if option["name"] == "on_existing"]
    assert existing == {"name": "on_existing", "enum_values": ["fail", "update", "ignore"], "default": "fail"}


@pytest.mark.parametrize("path", ["actions", "event-types"])
def test_discovery_needs_its_permission_and_the_entitlement(management_base: ManagementBase, path: str) -> None:
    nobody = bearer(management_base.new_key("delivery:read"))
    assert management_base.call("GET", f"/inbound-webhooks/{path}", headers=nobody).status_code == 403
    tenant = management_base.other_tenant
    management_base.write("UPDATE tenants SET inbound_webhooks_enabled = false WHERE id = %s", (tenant.id,))
    try:
        answer = management_base.call("GET", f"/inbound-webhooks/{path}", headers=tenant.headers)
    finally:
        management_base.write("UPDATE tenants SET inbound_webhooks_enabled = true WHERE id = %s", (tenant.id,))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "entitlement_required")


def make_webhook(base: ManagementBase, tenant: KnownTenant) -> UUID:
    webhook_id = uuid4()
    base.write(
        "INSERT INTO webhooks (tenant_id, id, slug, name) VALUES (%s, %s, %s, 'any')",
        (tenant.id, webhook_id, f"any-{webhook_id.hex[:8]}"),
    )
    return webhook_id


def deliver(clickhouse: ClickHouse, tenant: KnownTenant, webhook_id: UUID, *statuses: DispatchStatus) -> list[str]:
    """Deliveries a second apart, the newest last."""
    source, now = Source("topic", uuid4().hex, 0), now_us()
    ids, requests, outcomes = [], [], []
    owner: dict[str, Any] = {"tenant_id": str(tenant.id), "webhook_id": str(webhook_id)}
    for number, status in enumerate(statuses):
        received_at = now - (len(statuses) - number) * 1_000_000
        ids.append(uuid7_text(received_at))
        requests.append(request_record(ids[-1], received_at, **owner))
        outcomes.append(outcome_record(ids[-1], received_at, dispatch_status=status, **owner))
    BatchWriter(clickhouse).write(build_requests(requests, source), source, 0, 0)
    BatchWriter(clickhouse).write(build_outcomes(outcomes, source), source, 1, 1)
    return ids


def test_a_webhook_shows_its_own_deliveries_with_the_filters_of_all(
    management_base: ManagementBase, clickhouse_engine: ClickHouse
) -> None:
    mine, another = (make_webhook(management_base, management_base.tenant) for _ in range(2))
    kinds = (DispatchStatus.FAILED, DispatchStatus.DISPATCHED, DispatchStatus.FAILED)
    ids = deliver(clickhouse_engine, management_base.tenant, mine, *kinds)
    [foreign] = deliver(clickhouse_engine, management_base.tenant, another, DispatchStatus.DISPATCHED)
    path = f"/inbound-webhooks/{mine}/deliveries"
    whole = management_base.call("GET", path).json()
    assert [one["delivery_id"] for one in whole["data"]] == ids[::-1]
    failed = management_base.call("GET", path, params={"dispatch_status": "failed", "per_page": 1, "page": 2}).json()
    assert ([one["delivery_id"] for one in failed["data"]], failed["meta"]["total"]) == (ids[:1], 2)
    late = management_base.call("GET", path, params={"since": whole["data"][0]["received_at"]}).json()
    assert [one["delivery_id"] for one in late["data"]] == ids[-1:]
    assert management_base.call("GET", path, params={"dispatch_status": "lost"}).status_code == 400
    one = management_base.call("GET", f"{path}/{ids[0]}")
    assert one.json() == management_base.call("GET", f"/deliveries/{ids[0]}").json()
    assert management_base.call("GET", f"{path}/{foreign}").status_code == 404
    assert management_base.call("GET", f"{path}/not-an-id").status_code == 400


def test_deliveries_of_a_webhook_that_is_gone_or_anothers_are_not_found_there(
    management_base: ManagementBase, clickhouse_engine: ClickHouse
) -> None:
    webhook_id = make_webhook(management_base, management_base.tenant)
    [delivery_id] = deliver(clickhouse_engine, management_base.tenant, webhook_id, DispatchStatus.DISPATCHED)
    paths = [f"/inbound-webhooks/{webhook_id}/deliveries", f"/inbound-webhooks/{webhook_id}/deliveries/{delivery_id}"]
    for path in paths:
        assert management_base.call("GET", path).status_code == 200
        assert management_base.call("GET", path, headers=management_base.other_tenant.headers).status_code == 404
        denied = management_base.call("GET", path, headers=bearer(management_base.new_key("inbound_webhook:read")))
        assert denied.status_code == 403
        assert "delivery:read" in denied.json()["error"]["message"]
    management_base.write("DELETE FROM webhooks WHERE id = %s", (webhook_id,))
    for path in paths:
        assert management_base.call("GET", path).status_code == 404
    assert management_base.call("GET", f"/deliveries/{delivery_id}").status_code == 200
