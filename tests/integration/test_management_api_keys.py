"""API keys over HTTP: made, shown once, bounded by their user, revoked; the tenant's rate; keys that are none."""

import hashlib
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from hookline.embedded.kafka import KafkaBroker
from infra.clickhouse import ClickHouse
from tests.support.management import API, KnownTenant, ManagementBase, bearer, make_tenant, running_management
from tests.support.people import give_password, make_person, make_role, signed_in

READ = "delivery:read"


@pytest.fixture
def slow_tenant(management_base: ManagementBase) -> KnownTenant:
    """A tenant of this test's own whose keys may call three times a minute: the next call is allowed so late that a
    slow machine has asked everything by then."""
    tenant = make_tenant(management_base.dsn, f"slow-{uuid4().hex[:8]}")
    management_base.write("UPDATE tenants SET api_requests_per_minute = 3 WHERE id = %s", (tenant.id,))
    return tenant


def make_user(base: ManagementBase, *permissions: str) -> tuple[UUID, UUID]:
    """A user with a role of these permissions: (user, role)."""
    role_id = make_role(base, *permissions)
    return make_person(base, role_id)[0], role_id


def create(base: ManagementBase, headers: dict[str, str] | None = None, **members: object) -> httpx.Response:
    return base.call("POST", "/api-keys", headers=headers, json={"name": "ci", "permissions": [READ], **members})


def test_a_key_is_shown_once_and_only_its_hash_is_kept(management_base: ManagementBase) -> None:
    user_id, _ = make_user(management_base, "api_key:create", "api_key:read", READ)
    maker = bearer(management_base.new_key("*", user_id=user_id))
    answer = create(management_base, maker, name="nightly report")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    key = made.pop("key")
    assert key.startswith("ixk_")
    assert len(key) == 4 + 43
    assert (made["name"], made["prefix"], made["permissions"]) == ("nightly report", key[:8], [READ])
    assert made["user"]["id"] == str(user_id)
    assert (made["last_used_at"], made["is_active"], made["created_by"]["type"]) == (None, True, "api_key")
    shown = management_base.call("GET", f"/api-keys/{made['id']}", headers=maker)
    assert shown.json() == made
    assert key[8:] not in management_base.call("GET", "/api-keys", headers=maker).text
    [row] = management_base.rows("SELECT * FROM api_keys WHERE id = %s", (made["id"],))
    assert bytes(row["key_hash"]) == hashlib.sha256(key.encode()).digest()
    assert key[8:] not in str(row)
    entries = management_base.rows("SELECT * FROM audit_entries WHERE resource_id = %s", (made["id"],))
    assert [entry["action"] for entry in entries] == ["api_key.created"]
    assert key[8:] not in str(entries)
    assert management_base.call("GET", "/deliveries", headers=bearer(key)).status_code == 200
    used = management_base.call("GET", f"/api-keys/{made['id']}", headers=maker).json()
    assert used["last_used_at"] is not None
    assert used["last_used_from"] == "127.0.0.1"


def test_a_key_gives_no_more_than_its_maker_has(management_base: ManagementBase) -> None:
    maker = bearer(management_base.new_key("api_key:create", READ))
    refused = create(management_base, maker, permissions=[READ, "user:delete", "no:such", "*"])
    assert refused.status_code == 400
    problems = {one["path"]: one["message"] for one in refused.json()["error"]["details"]}
    assert set(problems) == {"permissions.1", "permissions.2", "permissions.3"}
    assert "user:delete" in problems["permissions.1"]
    everything = create(management_base, permissions=[READ, "*"])
    assert everything.json()["permissions"] == ["*"]


def test_taking_a_right_from_the_user_takes_it_from_the_key(management_base: ManagementBase) -> None:
    user_id, role_id = make_user(management_base, "api_key:create", READ)
    made = create(management_base, bearer(management_base.new_key("*", user_id=user_id))).json()
    reading = bearer(made["key"])
    assert management_base.call("GET", "/deliveries", headers=reading).status_code == 200
    management_base.write("UPDATE roles SET permissions = '{}' WHERE id = %s", (role_id,))
    taken = management_base.call("GET", "/deliveries", headers=reading)
    assert taken.status_code == 403
    assert READ in taken.json()["error"]["message"]
    management_base.write("UPDATE users SET is_active = false WHERE id = %s", (user_id,))
    assert management_base.call("GET", "/deliveries", headers=reading).status_code == 401
    inactive = management_base.call("GET", "/api-keys", params={"active": "false", "per_page": 100}).json()
    assert made["id"] in {one["id"] for one in inactive["data"]}


def test_a_revoked_key_is_dead_at_once_and_stays_in_the_list(management_base: ManagementBase) -> None:
    made = create(management_base).json()
    path = f"/api-keys/{made['id']}"
    assert management_base.call("GET", "/deliveries", headers=bearer(made["key"])).status_code == 200
    first = management_base.call("DELETE", path)
    assert (first.status_code, first.content) == (204, b"")
    assert management_base.call("GET", "/deliveries", headers=bearer(made["key"])).status_code == 401
    revoked_at = management_base.call("GET", path).json()["revoked_at"]
    assert management_base.call("DELETE", path).status_code == 204
    assert management_base.call("GET", path).json()["revoked_at"] == revoked_at
    actions = management_base.rows(
        "SELECT action FROM audit_entries WHERE resource_id = %s ORDER BY occurred_at", (made["id"],)
    )
    assert [row["action"] for row in actions] == ["api_key.created", "api_key.revoked"]
    active = management_base.call("GET", "/api-keys", params={"active": "true", "per_page": 100}).json()
    assert made["id"] not in {one["id"] for one in active["data"]}
    assert management_base.call("DELETE", f"/api-keys/{uuid4()}").status_code == 404


def test_a_key_expires(management_base: ManagementBase) -> None:
    for expires_at in ("2020-01-01T00:00:00Z", "2199-01-01T00:00:00Z", "2099-01-01T00:00:00", "soon"):
        refused = create(management_base, expires_at=expires_at)
        assert refused.status_code == 400
        assert [one["path"] for one in refused.json()["error"]["details"]] == ["expires_at"]
    made = create(management_base, expires_at="2030-01-01T00:00:00+02:00").json()
    assert made["expires_at"] == "2029-12-31T22:00:00.000Z"
    management_base.write("UPDATE api_keys SET expires_at = now() WHERE id = %s", (made["id"],))
    assert management_base.call("GET", "/deliveries", headers=bearer(made["key"])).status_code == 401
    assert management_base.call("GET", f"/api-keys/{made['id']}").json()["is_active"] is False


def test_a_key_that_expires_makes_none_that_lasts_longer(management_base: ManagementBase) -> None:
    maker = bearer(create(management_base, permissions=["*"], expires_at="2030-01-01T00:00:00Z").json()["key"])
    for expires_at in (None, "2030-01-01T00:00:00.001Z"):
        refused = create(management_base, maker, expires_at=expires_at)
        assert refused.status_code == 400
        [problem] = refused.json()["error"]["details"]
        assert problem["path"] == "expires_at"
        assert "2030-01-01T00:00:00.000Z" in problem["message"]
    assert create(management_base, maker, expires_at="2030-01-01T00:00:00Z").status_code == 201


def test_calls_at_the_same_time_get_exactly_the_limit(
    management_base: ManagementBase, slow_tenant: KnownTenant, kafka: KafkaBroker, clickhouse_engine: ClickHouse
) -> None:
    """Two processes share the bucket: here two roles with pools of their own, and two keys."""
    keys = [bearer(management_base.new_key("*", tenant=slow_tenant)) for _ in range(2)]
    with running_management(management_base.settings, clickhouse_engine) as second:

        def call(number: int) -> httpx.Response:
            client = (management_base.api, second)[number % 2]
            return client.get(f"{API}/rejections", headers=keys[number // 2 % 2])

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(call, range(40)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 37
    for answer in answers:
        assert answer.headers["RateLimit-Limit"] == "3"
        assert 0 <= int(answer.headers["RateLimit-Reset"]) <= 60
    left = sorted(int(answer.headers["RateLimit-Remaining"]) for answer in answers if answer.status_code == 200)
    assert left == [0, 1, 2]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["error"]["code"] == "rate_limited"
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert 1 <= int(refused.headers["Retry-After"]) <= 20


def test_a_bucket_fills_with_time_and_never_beyond_its_limit(
    management_base: ManagementBase, slow_tenant: KnownTenant
) -> None:
    def call() -> httpx.Response:
        return management_base.call("GET", "/rejections", headers=slow_tenant.headers)

    assert [call().status_code for _ in range(4)] == [200] * 3 + [429]
    earlier = "UPDATE api_rate_buckets SET filled_at = filled_at - make_interval(secs => %s) WHERE tenant_id = %s"
    management_base.write(earlier, (40, slow_tenant.id))
    assert [call().status_code for _ in range(3)] == [200, 200, 429]
    management_base.write(earlier, (3_600, slow_tenant.id))
    assert [call().status_code for _ in range(4)] == [200] * 3 + [429]
    management_base.write("UPDATE tenants SET api_requests_per_minute = 100000 WHERE id = %s", (slow_tenant.id,))
    raised = call()
    assert raised.status_code == 200
    assert raised.headers["RateLimit-Limit"] == "100000"


def test_what_is_left_is_said_whatever_becomes_of_a_call(management_base: ManagementBase) -> None:
    key = bearer(management_base.new_key(READ))
    for path, status in (("/deliveries", 200), ("/rejections", 403), (f"/deliveries/{uuid4()}", 404)):
        answer = management_base.call("GET", path, headers=key)
        assert answer.status_code == status
        assert {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= set(answer.headers)
    assert "ratelimit-limit" not in management_base.call("GET", "/deliveries", headers={}).headers


def test_a_call_by_key_needs_the_entitlement_public_api(management_base: ManagementBase) -> None:
    tenant = make_tenant(management_base.dsn, f"plain-{uuid4().hex[:8]}")
    management_base.write("UPDATE tenants SET entitlements = '{webhooks}' WHERE id = %s", (tenant.id,))
    answer = management_base.call("GET", "/rejections", headers=tenant.headers)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "entitlement_required"
    assert "public_api" in answer.json()["error"]["message"]


@pytest.fixture
def guarded(management_base: ManagementBase, clickhouse_engine: ClickHouse) -> Iterator[httpx.Client]:
    """A role that lets an address fail three times a minute."""
    management = management_base.settings.management.model_copy(update={"failed_keys_per_minute": 3})
    settings = management_base.settings.model_copy(update={"management": management})
    with running_management(settings, clickhouse_engine) as client:
        yield client


def test_an_address_that_guesses_is_held_back_before_the_database(
    management_base: ManagementBase, guarded: httpx.Client
) -> None:
    def call(key: str) -> httpx.Response:
        return guarded.get(f"{API}/rejections", headers=bearer(key))

    assert call(management_base.tenant.admin_key).status_code == 200
    guesses = [call(f"ixk_{number:043}") for number in range(3)]
    assert [answer.status_code for answer in guesses] == [401, 401, 401]
    held = call(management_base.new_key("*"))
    assert (held.status_code, held.json()["error"]["code"]) == (429, "rate_limited")
    assert 1 <= int(held.headers["Retry-After"]) <= 20
    assert call("ixk_malformed!").status_code == 429
    assert call(management_base.tenant.admin_key).status_code == 200


def test_a_session_is_neither_counted_nor_told_a_rate(management_base: ManagementBase) -> None:
    tenant = make_tenant(management_base.dsn, f"people-{uuid4().hex[:8]}")
    management_base.write("UPDATE tenants SET api_requests_per_minute = 1 WHERE id = %s", (tenant.id,))
    give_password(management_base, tenant.admin_email)
    with signed_in(management_base, tenant.admin_email, tenant) as browser:
        for _ in range(5):
            answer = browser.call("GET", "/api-keys")
            assert answer.status_code == 200
            assert "ratelimit-limit" not in answer.headers


def test_a_key_made_in_a_session_belongs_to_its_user(management_base: ManagementBase) -> None:
    give_password(management_base, management_base.tenant.admin_email)
    with signed_in(management_base, management_base.tenant.admin_email) as browser:
        made = browser.call("POST", "/api-keys", json={"name": "mine", "permissions": ["*"]}).json()
    assert made["user"]["id"] == str(management_base.tenant.admin_id)
    assert made["created_by"] == {"type": "user", "id": made["user"]["id"], "name": made["created_by"]["name"]}


def test_the_documented_key_is_made_as_written(management_base: ManagementBase) -> None:
    [body] = re.findall(r"```json\n(.*?)```", (Path(__file__).parents[2] / "docs" / "api.md").read_text(), re.DOTALL)
    made = create(management_base, **json.loads(body))
    assert made.status_code == 201, made.text
