"""The tenant over HTTP: its own row, of which it may change the name."""

from __future__ import annotations

import pytest

from tests.support.management import ManagementBase, bearer

OPERATORS_ONLY = ("slug", "entitlements", "inbound_webhooks_enabled", "api_requests_per_minute", "id")


def test_a_tenant_sees_itself_and_no_other(management_base: ManagementBase) -> None:
    listed = management_base.call("GET", "/tenants").json()
    [tenant] = listed["data"]
    assert listed["meta"] == {"page": 1, "per_page": 25, "total": 1}
    assert set(tenant) == {
        *("id", "slug", "name", "entitlements", "inbound_webhooks_enabled", "api_requests_per_minute"),
        *("retention_days", "created_at", "updated_at"),
    }
    assert (tenant["id"], tenant["slug"]) == (str(management_base.tenant.id), "acme")
    assert tenant["retention_days"] == {"bodies": 30, "rows": 400, "rejections": 14}
    assert tenant["entitlements"] == ["webhooks", "public_api", "workflows"]
    assert management_base.call("GET", f"/tenants/{tenant['id']}").json() == tenant
    assert management_base.call("GET", "/tenants", params={"page": 2}).json()["data"] == []
    later = management_base.call("GET", "/tenants", params={"since": "2999-01-01T00:00:00Z"}).json()
    assert (later["data"], later["meta"]["total"]) == ([], 0)
    for method, body in (("GET", None), ("PATCH", {"name": "Taken over"})):
        answer = management_base.call(method, f"/tenants/{management_base.other_tenant.id}", json=body)
        assert answer.status_code == 404


def test_a_tenant_renames_itself_and_its_slug_stays(management_base: ManagementBase) -> None:
    path = f"/tenants/{management_base.tenant.id}"
    before = management_base.call("GET", path).json()
    changed = management_base.call("PATCH", path, json={"name": "Acme & Sons"}).json()
    assert {**changed, "updated_at": ""} == {**before, "updated_at": "", "name": "Acme & Sons"}
    assert changed["updated_at"] > before["updated_at"]
    for nothing in ({"name": "Acme & Sons"}, {}):
        assert management_base.call("PATCH", path, json=nothing).json() == changed
    entries = management_base.rows("SELECT before, after FROM audit_entries WHERE action = 'tenant.updated'")
    assert entries == [{"before": {"name": before["name"]}, "after": {"name": "Acme & Sons"}}]
    assert management_base.rows("SELECT name FROM tenants WHERE slug = 'globex'") == [{"name": "Globex"}]


@pytest.mark.parametrize("member", OPERATORS_ONLY)
def test_what_is_the_operators_is_refused(management_base: ManagementBase, member: str) -> None:
    path = f"/tenants/{management_base.tenant.id}"
    shown = management_base.call("GET", path).json()
    answer = management_base.call("PATCH", path, json={member: shown[member]})
    assert answer.status_code == 400
    assert [detail["path"] for detail in answer.json()["error"]["details"]] == [member]


@pytest.mark.parametrize("name", ["", "   ", "x" * 256, None, 5])
def test_a_name_that_is_none_is_refused(management_base: ManagementBase, name: object) -> None:
    answer = management_base.call("PATCH", f"/tenants/{management_base.tenant.id}", json={"name": name})
    assert answer.status_code == 400


def test_reading_and_renaming_are_permissions_of_their_own(management_base: ManagementBase) -> None:
    path = f"/tenants/{management_base.tenant.id}"
    reader = bearer(management_base.new_key("tenant:read"))
    assert management_base.call("GET", path, headers=reader).status_code == 200
    assert management_base.call("PATCH", path, headers=reader, json={"name": "x"}).status_code == 403
    assert (
        management_base.call("GET", path, headers=bearer(management_base.new_key("tenant:update"))).status_code == 403
    )
