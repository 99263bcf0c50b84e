"""Users over HTTP: made, changed, deactivated, deleted; passwords; nobody gets or takes more than they have."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from tests.support.management import KnownTenant, ManagementBase, bearer, make_tenant
from tests.support.people import PASSWORD, give_password, make_person, make_role, new_browser, signed_in

NEW_PASSWORD = "a wholly different sentence"
MANAGES_USERS = ("user:create", "user:read", "user:update", "user:delete")


@pytest.fixture
def own_tenant(management_base: ManagementBase) -> KnownTenant:
    """A tenant of this test's own, so that its admins can be counted."""
    return make_tenant(management_base.dsn, f"own-{uuid4().hex[:8]}")


def create(base: ManagementBase, headers: dict[str, str] | None = None, **members: Any) -> httpx.Response:
    name = uuid4().hex[:12]
    body = {"email": f"{name}@acme.example", "username": name, **members}
    return base.call("POST", "/users", headers=headers, json=body)


def paths(answer: httpx.Response) -> set[str]:
    return {detail["path"] for detail in answer.json()["error"]["details"]}


def audit(base: ManagementBase, resource_id: str) -> list[dict[str, Any]]:
    return base.rows(
        "SELECT action, before, after FROM audit_entries WHERE resource_id = %s ORDER BY id", (resource_id,)
    )


def test_a_user_is_made_with_roles_and_a_password_and_can_sign_in(management_base: ManagementBase) -> None:
    role_id = make_role(management_base, "delivery:read")
    answer = create(management_base, full_name="Uma User", password=PASSWORD, role_ids=[str(role_id)])
    assert answer.status_code == 201, answer.text
    user = answer.json()
    assert (user["full_name"], user["time_zone"], user["is_active"], user["has_password"]) == (
        *("Uma User", "UTC", True, True),
    )
    assert [(role["id"], role["is_admin"]) for role in user["roles"]] == [(str(role_id), False)]
    assert user["last_login_at"] is None
    assert user == management_base.call("GET", f"/users/{user['id']}").json()
    assert "password" not in answer.text.replace("has_password", "").replace("password_changed_at", "")
    with signed_in(management_base, user["email"]) as browser:
        assert browser.call("GET", "/sessions/current").json()["permissions"] == ["delivery:read"]
    [entry] = audit(management_base, user["id"])
    assert entry["action"] == "user.created"
    assert entry["after"]["role_ids"] == [str(role_id)]


def test_lists_are_searched_filtered_and_paged_newest_first(management_base: ManagementBase) -> None:
    mark = uuid4().hex[:8]
    names = [f"{mark}-{number}" for number in range(3)]
    ids = [create(management_base, full_name=f"Søren 100% {name}").json()["id"] for name in names]
    management_base.call("PATCH", f"/users/{ids[1]}", json={"is_active": False})

    def listed(**params: Any) -> list[str]:
        answer = management_base.call("GET", "/users", params=params)
        assert answer.status_code == 200, answer.text
        return [user["id"] for user in answer.json()["data"]]

    assert listed(search=mark.upper()) == ids[::-1]
    assert listed(search=f"100% {mark}-1") == [ids[1]]
    assert listed(search=f"100_ {mark}") == [], "no wildcards"
    assert listed(search=mark, is_active=True) == [ids[2], ids[0]]
    assert listed(search=mark, is_active=False) == [ids[1]]
    assert listed(search=mark, page=2, per_page=2) == [ids[0]]
    assert management_base.call("GET", "/users", params={"search": mark}).json()["meta"]["total"] == 3


def test_every_problem_of_a_new_user_is_named(management_base: ManagementBase) -> None:
    answer = create(management_base, email="nobody", username="a b", time_zone="Mars/Olympus", nickname="x")
    assert answer.status_code == 400
    assert paths(answer) == {"email", "username", "time_zone", "nickname"}
    foreign = make_role(management_base, tenant=management_base.other_tenant)
    answer = create(management_base, password="too short", role_ids=[str(uuid4()), str(foreign)])
    assert answer.status_code == 400
    assert paths(answer) == {"password", "role_ids.0", "role_ids.1"}
    assert "too short" not in answer.text


def test_an_address_or_name_that_is_taken_is_a_conflict_in_any_case(management_base: ManagementBase) -> None:
    user = create(management_base).json()
    other = create(management_base).json()
    for member in ("email", "username"):
        answer = create(management_base, **{member: user[member].upper()})
        assert (answer.status_code, paths(answer)) == (409, {member})
        answer = management_base.call("PATCH", f"/users/{other['id']}", json={member: user[member].upper()})
        assert (answer.status_code, paths(answer)) == (409, {member})
    elsewhere = management_base.call(
        "POST", "/users", headers=management_base.other_tenant.headers, json={"email": user["email"], "username": "x"}
    )
    assert elsewhere.status_code == 201, "other tenants have their own people"


def test_a_patch_changes_what_it_names_and_is_audited_once(management_base: ManagementBase) -> None:
    role_id = make_role(management_base, "role:read")
    user = create(management_base, full_name="Before", role_ids=[str(role_id)]).json()
    path = f"/users/{user['id']}"
    changed = management_base.call("PATCH", path, json={"full_name": "After", "time_zone": "Europe/Berlin"}).json()
    assert {**changed, "updated_at": ""} == {
        **{**user, "updated_at": ""},
        **{"full_name": "After", "time_zone": "Europe/Berlin"},
    }
    for nothing in ({}, {"full_name": "After"}, {"role_ids": [str(role_id), str(role_id)]}):
        assert management_base.call("PATCH", path, json=nothing).json() == changed
    assert [entry["action"] for entry in audit(management_base, user["id"])] == ["user.created", "user.updated"]
    assert management_base.call("PATCH", path, json={"role_ids": []}).json()["roles"] == []
    answer = management_base.call("PATCH", path, json={"email": None, "is_active": None, "id": str(uuid4())})
    assert (answer.status_code, paths(answer)) == (400, {"email", "is_active", "id"})


def test_a_deactivated_user_loses_sessions_and_keys_at_once_and_for_good(management_base: ManagementBase) -> None:
    user_id, email = make_person(management_base, make_role(management_base, "user:read"))
    key = bearer(management_base.new_key("*", user_id=user_id))
    path = f"/users/{user_id}"
    with signed_in(management_base, email) as browser:
        assert management_base.call("PATCH", path, json={"is_active": False}).status_code == 200
        assert browser.call("GET", "/users").status_code == 401
        assert browser.sign_in("acme", email).status_code == 401
        assert management_base.call("GET", "/users", headers=key).status_code == 401
        assert management_base.call("PATCH", path, json={"is_active": True}).status_code == 200
        assert browser.call("GET", "/users").status_code == 401
        assert management_base.call("GET", "/users", headers=key).status_code == 401
        assert browser.sign_in("acme", email).status_code == 201


def test_a_user_is_deleted_unless_tickets_refer_to_it(management_base: ManagementBase) -> None:
    user_id, email = make_person(management_base)
    with signed_in(management_base, email) as browser:
        assert management_base.call("DELETE", f"/users/{user_id}").status_code == 204
        assert browser.call("GET", "/sessions/current").status_code == 401
    assert management_base.call("GET", f"/users/{user_id}").status_code == 404
    assert management_base.call("DELETE", f"/users/{user_id}").status_code == 404
    assert audit(management_base, str(user_id))[-1]["before"]["email"] == email
    assigned, _ = make_person(management_base)
    refer_to(management_base, assigned)
    answer = management_base.call("DELETE", f"/users/{assigned}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert "deactivate" in answer.json()["error"]["message"]


def refer_to(base: ManagementBase, user_id: UUID) -> None:
    """A ticket assigned to the user."""
    parent = """
        WITH client AS (INSERT INTO clients (tenant_id, id, name) VALUES (%(tenant)s, %(id)s, 'C')),
            board AS (INSERT INTO boards (tenant_id, id, name) VALUES (%(tenant)s, %(id)s, 'B'))
        INSERT INTO ticket_statuses (tenant_id, id, board_id, name, position)
        VALUES (%(tenant)s, %(id)s, %(id)s, 'N', 1)
    """
    ticket = """
        INSERT INTO tickets (
            tenant_id, id, number, title, client_id, board_id, status_id, is_closed, assigned_to, source,
            created_at, updated_at
        )
        VALUES (%(tenant)s, %(id)s, 1, 'T', %(id)s, %(id)s, %(id)s, false, %(user)s, 'api', now(), now())
    """
    parameters = {"tenant": base.tenant.id, "id": uuid4(), "user": user_id}
    with psycopg.connect(base.dsn) as connection:
        for statement in (parent, ticket):
            connection.execute(statement.encode(), parameters)


def test_changing_ones_own_password_takes_the_current_one_and_ends_all_other_sessions(
    management_base: ManagementBase,
) -> None:
    user_id, email = make_person(management_base)
    path = "/users/me/password"
    with signed_in(management_base, email) as browser, signed_in(management_base, email) as other:
        body = {"current_password": "not the current one", "new_password": NEW_PASSWORD}
        answer = browser.call("PUT", path, json=body)
        assert (answer.status_code, paths(answer)) == (400, {"current_password"})
        for refused in ("too short", email):
            answer = browser.call("PUT", path, json={"current_password": PASSWORD, "new_password": refused})
            assert (answer.status_code, paths(answer)) == (400, {"new_password"})
        assert other.call("GET", "/sessions/current").status_code == 200
        body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        assert browser.call("PUT", path, json=body, headers={"X-CSRF-Token": ""}).status_code == 403
        assert browser.call("PUT", path, json=body).status_code == 204
        assert browser.call("GET", "/sessions/current").status_code == 200
        assert other.call("GET", "/sessions/current").status_code == 401
        assert other.sign_in("acme", email, PASSWORD).status_code == 401
        assert other.sign_in("acme", email, NEW_PASSWORD).status_code == 201
    entries = audit(management_base, str(user_id))
    assert [entry["action"] for entry in entries] == ["user.password_changed"]
    assert (entries[0]["before"], entries[0]["after"]) == (None, None)


def test_the_current_password_cannot_be_guessed_in_a_stolen_session(management_base: ManagementBase) -> None:
    _, email = make_person(management_base)
    with signed_in(management_base, email) as browser:
        body = {"current_password": "a guess of the thief", "new_password": NEW_PASSWORD}
        statuses = [browser.call("PUT", "/users/me/password", json=body).status_code for _ in range(11)]
        assert statuses == [*[400] * 10, 429]
        body["current_password"] = PASSWORD
        assert browser.call("PUT", "/users/me/password", json=body).status_code == 429
        assert browser.sign_in("acme", email).status_code == 201


def test_a_key_cannot_change_the_password_of_its_person(management_base: ManagementBase) -> None:
    user_id, _ = make_person(management_base, management_base.tenant.admin_role_id)
    key = bearer(management_base.new_key("*", user_id=user_id))
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert management_base.call("PUT", "/users/me/password", headers=key, json=body).status_code == 403
    own = management_base.call("PUT", f"/users/{user_id}/password", headers=key, json={"password": NEW_PASSWORD})
    assert own.status_code == 403
    assert "current one" in own.json()["error"]["message"]


def test_a_password_set_by_an_admin_ends_all_sessions(management_base: ManagementBase) -> None:
    user_id, email = make_person(management_base)
    path = f"/users/{user_id}/password"
    with signed_in(management_base, email) as browser:
        answer = management_base.call("PUT", path, json={"password": "too short"})
        assert (answer.status_code, paths(answer)) == (400, {"password"})
        assert management_base.call("PUT", path, json={"password": NEW_PASSWORD}).status_code == 204
        assert browser.call("GET", "/sessions/current").status_code == 401
        assert browser.sign_in("acme", email, NEW_PASSWORD).status_code == 201


def test_nobody_makes_or_changes_a_user_who_can_do_more_than_they(management_base: ManagementBase) -> None:
    small = make_role(management_base, *MANAGES_USERS, "delivery:read")
    big = make_role(management_base, *MANAGES_USERS, "role:update")
    admin_role = management_base.tenant.admin_role_id
    actor_id, actor_email = make_person(management_base, small)
    above_id, _ = make_person(management_base, big)
    peer_id, _ = make_person(management_base, small)
    with signed_in(management_base, actor_email) as browser:
        new = {"email": f"{uuid4().hex}@acme.example", "username": uuid4().hex}
        for role in (big, admin_role):
            refused = [
                browser.call("POST", "/users", json={**new, "role_ids": [str(small), str(role)]}),
                browser.call("PATCH", f"/users/{peer_id}", json={"role_ids": [str(role)]}),
                browser.call("PATCH", f"/users/{actor_id}", json={"role_ids": [str(small), str(role)]}),
            ]
            assert [answer.status_code for answer in refused] == [403] * 3
        above = [
            browser.call("PATCH", f"/users/{above_id}", json={"email": "mine@acme.example"}),
            browser.call("PATCH", f"/users/{above_id}", json={"role_ids": [str(small)]}),
            browser.call("PATCH", f"/users/{management_base.tenant.admin_id}", json={"is_active": False}),
            browser.call("PUT", f"/users/{above_id}/password", json={"password": NEW_PASSWORD}),
            browser.call("PUT", f"/users/{management_base.tenant.admin_id}/password", json={"password": NEW_PASSWORD}),
            browser.call("DELETE", f"/users/{above_id}"),
        ]
        assert [answer.status_code for answer in above] == [403] * 6
        assert "role:update" in above[0].json()["error"]["message"]
        assert browser.call("POST", "/users", json={**new, "role_ids": [str(small)]}).status_code == 201
        assert browser.call("PUT", f"/users/{peer_id}/password", json={"password": NEW_PASSWORD}).status_code == 204
    assert management_base.rows("SELECT 1 FROM user_roles WHERE user_id = %s AND role_id <> %s", (peer_id, small)) == []


def test_a_key_with_fewer_rights_than_its_person_gives_no_more_than_it_has(management_base: ManagementBase) -> None:
    user_id, _ = make_person(management_base, management_base.tenant.admin_role_id)
    key = bearer(management_base.new_key(*MANAGES_USERS, user_id=user_id))
    peer_id, _ = make_person(management_base)
    admin = {"role_ids": [str(management_base.tenant.admin_role_id)]}
    assert management_base.call("PATCH", f"/users/{peer_id}", headers=key, json=admin).status_code == 403
    assert management_base.call("DELETE", f"/users/{user_id}", headers=key).status_code == 403
    assert create(management_base, key, **admin).status_code == 403
    assert create(management_base, key).status_code == 201


def test_the_last_active_admin_stays(management_base: ManagementBase, own_tenant: KnownTenant) -> None:
    path = f"/users/{own_tenant.admin_id}"
    headers = own_tenant.headers
    inactive, _ = make_person(management_base, own_tenant.admin_role_id, tenant=own_tenant)
    management_base.write("UPDATE users SET is_active = false WHERE id = %s", (inactive,))
    refused = [
        management_base.call("PATCH", path, headers=headers, json={"is_active": False}),
        management_base.call("PATCH", path, headers=headers, json={"role_ids": []}),
        management_base.call("DELETE", path, headers=headers),
    ]
    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in refused] == [(409, "conflict")] * 3
    assert management_base.call("PATCH", path, headers=headers, json={"full_name": "Still here"}).status_code == 200
    make_person(management_base, own_tenant.admin_role_id, tenant=own_tenant)
    assert management_base.call("DELETE", path, headers=headers).status_code == 204


def test_two_admins_cannot_take_each_other_away_at_the_same_time(management_base: ManagementBase) -> None:
    for _ in range(5):
        tenant = make_tenant(management_base.dsn, f"two-{uuid4().hex[:8]}")
        second, _ = make_person(management_base, tenant.admin_role_id, tenant=tenant)

        def demote(user_id: UUID, headers: dict[str, str] = tenant.headers) -> int:
            return management_base.call(
                "PATCH", f"/users/{user_id}", headers=headers, json={"role_ids": []}
            ).status_code

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(demote, [tenant.admin_id, second])) == [200, 409]


def test_a_tenant_reaches_no_user_of_another(management_base: ManagementBase) -> None:
    other = management_base.other_tenant
    path = f"/users/{other.admin_id}"
    answers = [
        management_base.call("GET", path),
        management_base.call("PATCH", path, json={"full_name": "Taken over"}),
        management_base.call("PUT", f"{path}/password", json={"password": NEW_PASSWORD}),
        management_base.call("DELETE", path),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    answer = create(management_base, role_ids=[str(other.admin_role_id)])
    assert (answer.status_code, paths(answer)) == (400, {"role_ids.0"})
    found = management_base.call("GET", "/users", params={"search": "globex", "per_page": 100}).json()
    assert found["data"] == []


def test_no_password_is_in_any_row_or_log(management_base: ManagementBase, whole_log: Callable[[], str]) -> None:
    secrets = [f"secret of {uuid4().hex}" for _ in range(3)]
    user = create(management_base, password=secrets[0]).json()
    assert (
        management_base.call("PUT", f"/users/{user['id']}/password", json={"password": secrets[1]}).status_code == 204
    )
    give_password(management_base, user["email"], secrets[1])
    with new_browser(management_base) as browser:
        assert browser.sign_in("acme", user["email"], secrets[1]).status_code == 201
        body = {"current_password": secrets[1], "new_password": secrets[2]}
        assert browser.call("PUT", "/users/me/password", json=body).status_code == 204
        secrets.append(browser.session_cookie)
    tables = management_base.rows(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'public' AND c.relkind = 'r'"
    )
    for table in tables:
        text = str(management_base.rows(f"SELECT t::text AS row FROM {table['relname']} t"))  # noqa: S608
        assert not [secret for secret in secrets if secret in text], table
    logged = whole_log()
    assert not [secret for secret in secrets if secret in logged]
