"""How many webhooks and keys a tenant may have is bounded, and whoever goes over is told so."""

from __future__ import annotations

import httpx

from infra.clickhouse import ClickHouse
from tests.support.management import API, ManagementBase, management_base, running_management
from tests.support.webhooks import WEBHOOKS, webhook_body

__all__ = ["management_base"]


def test_a_tenant_with_as_many_webhooks_and_keys_as_it_may_makes_no_more(
    management_base: ManagementBase, clickhouse_engine: ClickHouse
) -> None:
    bounds = {"tenant_webhooks_max": 2, "tenant_keys_max": 3}  # the keys of the fixture count too
    management = management_base.settings.management.model_copy(update=bounds)
    settings = management_base.settings.model_copy(update={"management": management})
    headers = management_base.tenant.headers
    key = {"name": "room", "permissions": ["delivery:read"]}

    with running_management(settings, clickhouse_engine) as api:

        def posted(path: str, body: object) -> httpx.Response:
            return api.post(f"{API}{path}", json=body, headers=headers)

        made = [posted(WEBHOOKS, webhook_body(f"room-{number}")) for number in range(3)]
        assert [answer.status_code for answer in made] == [201, 201, 409]
        assert made[2].json()["error"]["message"] == (
            "the tenant has 2 webhooks, and may have no more: delete some first"
        )
        api.delete(f"{API}{WEBHOOKS}/{made[0].json()['id']}", headers=headers)
        assert posted(WEBHOOKS, webhook_body("room-again")).status_code == 201

        keys = [posted("/api-keys", key) for _ in range(3)]
        assert [answer.status_code for answer in keys] == [201, 201, 409]
        assert "3 API keys" in keys[2].json()["error"]["message"]
        api.delete(f"{API}/api-keys/{keys[0].json()['id']}", headers=headers)
        assert posted("/api-keys", key).status_code == 201
