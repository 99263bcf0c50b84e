"""Roles over HTTP: sets of known permissions, given by those who have them; the admin role stays as it is."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest
from psycopg.errors import CheckViolation

from management.permissions import PERMISSIONS
from tests.support.management import ManagementBase, bearer
from tests.support.people import make_person, make_role, signed_in

MANAGES_ROLES = ("role:create", "role:read", "role:update", "role:delete")


def create(base: ManagementBase, headers: dict[str, str] | None = None, **members: Any) -> httpx.Response:
    return base.call("POST", "/roles", headers=headers, json={"name": uuid4().hex, **members})


def paths(answer: httpx.Response) -> set[str]:
    return {detail["path"] for detail in answer.json()["error"]["details"]}


def test_a_role_is_made_changed_and_deleted_and_each_is_audited(management_base: ManagementBase) -> None:
    answer = create(
        management_base, description="reads", permissions=["rejection:read", "delivery:read", "rejection:read"]
    )
    assert answer.status_code == 201, answer.text
    role = answer.json()
    assert (role["permissions"], role["is_admin"], role["user_count"]) == (
        *(["delivery:read", "rejection:read"], False, 0),
    )
    path = f"/roles/{role['id']}"
    assert management_base.call("GET", path).json() == role
    changed = management_base.call("PATCH", path, json={"permissions": ["delivery:read"]}).json()
    assert {**changed, "updated_at": ""} == {**role, "updated_at": "", "permissions": ["delivery:read"]}
    assert management_base.call("PATCH", path, json={"permissions": ["delivery:read"]}).json() == changed
    assert management_base.call("DELETE", path).status_code == 204
    assert management_base.call("GET", path).status_code == 404
    entries = management_base.rows(
        "SELECT action, before, after FROM audit_entries WHERE resource_id = %s ORDER BY id", (role["id"],)
    )
    assert [entry["action"] for entry in entries] == ["role.created", "role.updated", "role.deleted"]
    assert entries[1]["before"]["permissions"] == ["delivery:read", "rejection:read"]
    assert entries[1]["after"]["permissions"] == ["delivery:read"]


def test_roles_are_listed_and_searched(management_base: ManagementBase) -> None:
    mark = uuid4().hex
    ids = [create(management_base, name=f"{mark} {number}", description="x").json()["id"] for number in range(3)]
    found = management_base.call("GET", "/roles", params={"search": mark.upper(), "per_page": 2}).json()
    assert [role["id"] for role in found["data"]] == [ids[2], ids[1]]
    assert found["meta"] == {"page": 1, "per_page": 2, "total": 3}
    [admin] = management_base.call("GET", "/roles", params={"search": "admin"}).json()["data"]
    assert (admin["is_admin"], admin["permissions"]) == (True, ["*"])


def test_every_problem_of_a_role_is_named(management_base: ManagementBase) -> None:
    answer = create(management_base, name=" ", colour="red", description="x" * 2_001)
    assert (answer.status_code, paths(answer)) == (400, {"name", "colour", "description"})
    answer = create(management_base, permissions=["delivery:read", "delivery:burn", "*", ""])
    assert (answer.status_code, paths(answer)) == (400, {"permissions.1", "permissions.2", "permissions.3"})
    role = create(management_base).json()
    answer = create(management_base, name=role["name"].upper())
    assert (answer.status_code, paths(answer)) == (409, {"name"})
    answer = management_base.call("PATCH", f"/roles/{role['id']}", json={"name": "ADMIN"})
    assert (answer.status_code, paths(answer)) == (409, {"name"})


def test_the_admin_role_cannot_be_changed_or_deleted(management_base: ManagementBase) -> None:
    path = f"/roles/{management_base.tenant.admin_role_id}"
    for method, body in (("PATCH", {"permissions": []}), ("PATCH", {"name": "root"}), ("DELETE", None)):
        answer = management_base.call(method, path, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    with pytest.raises(CheckViolation):
        management_base.write(
            "UPDATE roles SET permissions = '{delivery:read}' WHERE id = %s", (management_base.tenant.admin_role_id,)
        )


def test_a_role_that_somebody_has_is_not_deleted(management_base: ManagementBase) -> None:
    role_id = make_role(management_base, "delivery:read")
    user_id, _ = make_person(management_base, role_id)
    answer = management_base.call("DELETE", f"/roles/{role_id}")
    assert answer.status_code == 409
    assert "1 users" in answer.json()["error"]["message"]
    assert management_base.call("PATCH", f"/users/{user_id}", json={"role_ids": []}).status_code == 200
    assert management_base.call("DELETE", f"/roles/{role_id}").status_code == 204


def test_nobody_gives_a_role_permissions_they_do_not_have(management_base: ManagementBase) -> None:
    own = make_role(management_base, *MANAGES_ROLES, "delivery:read")
    above = make_role(management_base, "delivery:read", "user:update")
    _, email = make_person(management_base, own)
    with signed_in(management_base, email) as browser:
        refused = [
            browser.call("POST", "/roles", json={"name": uuid4().hex, "permissions": ["user:update"]}),
            browser.call("PATCH", f"/roles/{own}", json={"permissions": [*MANAGES_ROLES, "user:update"]}),
            browser.call("PATCH", f"/roles/{above}", json={"permissions": []}),
            browser.call("PATCH", f"/roles/{above}", json={"name": "mine"}),
            browser.call("DELETE", f"/roles/{above}"),
        ]
        assert [answer.status_code for answer in refused] == [403] * 5
        assert all("user:update" in answer.json()["error"]["message"] for answer in refused)
        made = browser.call("POST", "/roles", json={"name": uuid4().hex, "permissions": ["delivery:read"]})
        assert made.status_code == 201
        assert browser.call("PATCH", f"/roles/{own}", json={"permissions": ["role:update"]}).status_code == 200
        assert browser.call("GET", "/roles").status_code == 403, "they gave it away themselves"
        regained = browser.call("PATCH", f"/roles/{own}", json={"permissions": ["role:read", "role:update"]})
        assert regained.status_code == 403


def test_others_have_nothing_they_were_not_given(management_base: ManagementBase) -> None:
    _, email = make_person(management_base)
    reads = [
        *("/users", "/roles", "/tenants", f"/tenants/{management_base.tenant.id}", "/deliveries", "/rejections"),
        *(f"/users/{management_base.tenant.admin_id}", f"/roles/{management_base.tenant.admin_role_id}"),
    ]
    with signed_in(management_base, email) as browser:
        assert browser.call("GET", "/sessions/current").json()["permissions"] == []
        for path in reads:
            answer = browser.call("GET", path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), path
        assert "user:read" in browser.call("GET", "/users").json()["error"]["message"]


def test_permissions_are_listed_for_anyone_known(management_base: ManagementBase) -> None:
    answer = management_base.call("GET", "/permissions", headers=bearer(management_base.new_key()))
    groups = answer.json()["data"]
    assert {name for group in groups for name in group["permissions"]} == PERMISSIONS
    [user] = [group for group in groups if group["resource"] == "user"]
    assert user["operations"] == ["create", "read", "update", "delete"]
    assert management_base.call("GET", "/permissions", headers={}).status_code == 401


def test_a_tenant_reaches_no_role_of_another(management_base: ManagementBase) -> None:
    foreign = make_role(management_base, tenant=management_base.other_tenant)
    path = f"/roles/{foreign}"
    answers = [
        management_base.call("GET", path),
        management_base.call("PATCH", path, json={"permissions": ["delivery:read"]}),
        management_base.call("DELETE", path),
    ]
    assert [answer.status_code for answer in answers] == [404] * 3
    listed = management_base.call("GET", "/roles", params={"per_page": 100}).json()["data"]
    assert str(foreign) not in {role["id"] for role in listed}
