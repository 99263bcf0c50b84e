"""Inbound webhooks over the API on real stores: made, shown, changed, switched, deleted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from infra.actions.registry import load_actions
from infra.clickhouse import ClickHouse
from infra.health import HttpServer
from infra.postgres import open_pool
from infra.settings import ClickHouseSettings
from management.access import INBOUND_WEBHOOKS, Access, Actor
from management.inbound_webhooks.validation import SettingsRules
from management.permissions import PERMISSIONS
from management.webhooks import webhook_routes
from tests.support.management import ManagementBase, bearer, management_base
from tests.support.webhooks import WEBHOOKS, actions_of, create_webhook, get_webhook, record_of, webhook_body

__all__ = ["management_base"]

SCHEMES: dict[str, dict[str, Any]] = {
    "hmac_sha256": {"signature_header": "X-Hub-Signature", "ip_cidrs": ["10.0.0.0/8", "2001:db8::/32"]},
    "bearer": {"token": "a-token-of-the-sender"},
    "basic": {"username": "sender", "password": "a-password-of-the-sender"},
    "api_key": {"key": "a-key-of-the-sender-1"},
    "path_token": {"query_param": "t"},
    "ip_allowlist": {"ip_cidrs": ["192.0.2.7"]},
    "none": {"acknowledge_unauthenticated": True},
}


def test_a_created_webhook_has_a_place_an_etag_a_receiver_url_and_shows_its_secret_once(
    management_base: ManagementBase,
) -> None:
    answer = management_base.call("POST", WEBHOOKS, json=webhook_body("made"))
    assert answer.status_code == 201
    created = answer.json()
    assert answer.headers["Location"] == f"/api/v1{WEBHOOKS}/{created['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert len(created["secret"]) == 43
    assert created["receiver_url"] == "http://127.0.0.1:8080/api/inbound/acme/made"
    assert created["auth_config"]["type"] == "hmac_sha256"
    assert created["handler_config"]["type"] == "direct_action"
    assert created["created_by"]["type"] == "api_key"
    shown = management_base.call("GET", f"{WEBHOOKS}/{created['id']}")
    assert shown.headers["ETag"] == '"1"'
    assert created["secret"] not in shown.text
    assert shown.json() == {name: value for name, value in created.items() if name != "secret"}


def test_a_webhook_without_requests_says_so(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "quiet")
    assert (created["last_triggered_at"], created["trigger_count"], created["error_rate"]) == (None, 0, None)


def test_what_is_stored_makes_a_valid_record_for_every_scheme(management_base: ManagementBase) -> None:
    for auth_type, config in SCHEMES.items():
        slug = f"scheme-{auth_type.replace('_', '-')}"
        created = create_webhook(management_base, slug, auth_type=auth_type, auth_config=config)
        record = record_of(management_base, created["id"])
        assert record is not None
        assert record.auth_type == auth_type
        has_secret = auth_type not in ("ip_allowlist", "none")
        assert len(record.auth_config.secrets) == int(has_secret)
        given = {"token", "password", "key"} & config.keys()
        assert ("secret" in created) == (has_secret and not given)
        assert not {"secret", "token", "password", "key"} & created["auth_config"].keys()


def test_webhooks_are_listed_and_shown_while_the_log_is_away(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "log-away")
    away = ClickHouse(ClickHouseSettings(dsn=SecretStr("clickhouse://127.0.0.1:1/default")))
    pool, access = open_pool(management_base.settings.postgres), Access(lambda _: administrator(management_base))
    application = FastAPI()
    rules = SettingsRules(load_actions(), management_base.settings.processors, {})
    for router in webhook_routes(management_base.settings, pool, away, rules, access):
        application.include_router(router)
    server = HttpServer(application, host="127.0.0.1", port=0)
    server.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=30) as client:
            listed = client.get(WEBHOOKS, params={"slug": "log-away"})
            shown = client.get(f"{WEBHOOKS}/{created['id']}")
    finally:
        server.stop(5)
        pool.close()
    assert (listed.status_code, shown.status_code) == (200, 200)
    for webhook in (*listed.json()["data"], shown.json()):
        assert (webhook["last_triggered_at"], webhook["trigger_count"], webhook["error_rate"]) == (None, None, None)


def administrator(base: ManagementBase) -> Actor:
    """Someone who may do everything in the first tenant."""
    return Actor(
        tenant_id=base.tenant.id,
        tenant_slug=base.tenant.slug,
        type="user",
        id=base.tenant.admin_id,
        name="Ada Admin",
        user_id=base.tenant.admin_id,
        permissions=PERMISSIONS,
        entitlements=frozenset(INBOUND_WEBHOOKS),
        request_id="request-of-a-test",
        source_ip="127.0.0.1",
    )


def test_types_may_stand_in_the_configurations_alone(management_base: ManagementBase) -> None:
    body = webhook_body("inner-types", auth_config={"type": "bearer"})
    body["handler_config"]["type"] = "direct_action"
    del body["auth_type"], body["handler_type"]
    answer = management_base.call("POST", WEBHOOKS, json=body)
    assert answer.status_code == 201, answer.text
    assert (answer.json()["auth_type"], answer.json()["handler_type"]) == ("bearer", "direct_action")


def test_of_many_that_want_one_slug_at_once_one_gets_it(management_base: ManagementBase) -> None:
    def post(_: int) -> httpx.Response:
        return management_base.call("POST", WEBHOOKS, json=webhook_body("wanted-slug"))

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(post, range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["error"] == {
        "code": "conflict",
        "message": "slug wanted-slug is taken",
        "details": [{"path": "slug", "message": "slug wanted-slug is taken"}],
    }


def test_another_tenant_may_have_the_same_slug_and_sees_nothing_of_this_one(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "shared-slug")
    theirs = management_base.other_tenant.headers
    answer = management_base.call("POST", WEBHOOKS, json=webhook_body("shared-slug"), headers=theirs)
    assert answer.status_code == 201
    assert answer.json()["receiver_url"].endswith("/globex/shared-slug")
    path = f"{WEBHOOKS}/{created['id']}"
    attempts = [
        management_base.call("GET", path, headers=theirs),
        management_base.call("PUT", path, json=webhook_body("shared-slug"), headers=theirs),
        management_base.call("PATCH", path, json={"name": "Mine"}, headers=theirs),
        management_base.call("DELETE", path, headers=theirs),
        management_base.call("POST", f"{path}/disable", headers=theirs),
        management_base.call("POST", f"{path}/rotate-secret", json={}, headers=theirs),
        management_base.call("POST", f"{path}/finalise-rotation", headers=theirs),
        management_base.call("GET", f"{path}/versions", headers=theirs),
        management_base.call("GET", f"{path}/versions/1", headers=theirs),
        management_base.call("POST", f"{path}/versions/1/restore", headers=theirs),
    ]
    assert [answer.status_code for answer in attempts] == [404] * len(attempts)
    assert get_webhook(management_base, created["id"])["version"] == 1


def test_disabling_and_enabling_make_versions_once(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "switched")
    path = f"{WEBHOOKS}/{created['id']}"
    management_base.write("UPDATE webhooks SET auto_disabled_at = now() WHERE id = %s", (created["id"],))
    off = [management_base.call("POST", f"{path}/disable").json() for _ in range(2)]
    assert [(shown["is_active"], shown["version"]) for shown in off] == [(False, 2), (False, 2)]
    assert off[0]["auto_disabled_at"] is not None
    record = record_of(management_base, created["id"])
    assert record is not None
    assert not record.is_active
    on = management_base.call("POST", f"{path}/enable")
    assert (on.json()["is_active"], on.json()["version"], on.json()["auto_disabled_at"]) == (True, 3, None)
    assert on.headers["ETag"] == '"3"'
    names = ["created", "disabled", "enabled"]
    assert actions_of(management_base, created["id"]) == [f"inbound_webhook.{name}" for name in names]


def test_a_webhook_of_an_earlier_release_is_shown_and_cannot_be_enabled_before_it_has_a_secret(
    management_base: ManagementBase,
) -> None:
    webhook_id = uuid4()
    management_base.write(
        "INSERT INTO webhooks (tenant_id, id, slug, name) VALUES (%s, %s, 'of-old', 'Of old')",
        (management_base.tenant.id, webhook_id),
    )
    path = f"{WEBHOOKS}/{webhook_id}"
    assert get_webhook(management_base, str(webhook_id))["is_active"] is False
    refused = management_base.call("POST", f"{path}/enable")
    assert refused.status_code == 409
    assert "secret" in refused.json()["error"]["message"]
    configured = management_base.call("PUT", path, json=webhook_body("of-old", is_active=True))
    assert configured.status_code == 200, configured.text
    assert len(configured.json()["secret"]) == 43
    assert record_of(management_base, str(webhook_id)) is not None


def test_a_deleted_webhook_is_gone_with_its_parts_and_is_to_be_published_as_gone(
    management_base: ManagementBase,
) -> None:
    created = create_webhook(management_base, "deleted")
    webhook_id = created["id"]
    management_base.write(
        "INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id) "
        "VALUES (%s, %s, %s, 'ticket', '42', %s)",
        (management_base.tenant.id, uuid4(), webhook_id, uuid4()),
    )
    answer = management_base.call("DELETE", f"{WEBHOOKS}/{webhook_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert management_base.call("GET", f"{WEBHOOKS}/{webhook_id}").status_code == 404
    assert management_base.call("DELETE", f"{WEBHOOKS}/{webhook_id}").status_code == 404
    for table in ("webhook_secrets", "webhook_versions", "external_entity_mappings"):
        assert management_base.rows(f"SELECT FROM {table} WHERE webhook_id = %s", (webhook_id,)) == []
    assert actions_of(management_base, webhook_id)[-1] == "inbound_webhook.deleted"
    assert record_of(management_base, webhook_id) is None


def test_a_webhook_whose_external_ids_another_one_uses_cannot_be_deleted(management_base: ManagementBase) -> None:
    opens = create_webhook(management_base, "opens-tickets")
    handler = {
        "action": "createTicket",
        "field_mapping": {"title": "alert.title", "client_id": "alert.client"},
        "external_ids_of": opens["id"],
    }
    closes = create_webhook(management_base, "closes-tickets", handler_config=handler)
    refused = management_base.call("DELETE", f"{WEBHOOKS}/{opens['id']}")
    assert refused.status_code == 409
    assert "closes-tickets" in refused.json()["error"]["message"]
    assert management_base.call("DELETE", f"{WEBHOOKS}/{closes['id']}").status_code == 204
    assert management_base.call("DELETE", f"{WEBHOOKS}/{opens['id']}").status_code == 204


def test_a_list_is_paged_filtered_searched_and_sorted(management_base: ManagementBase) -> None:
    for number in range(3):
        create_webhook(management_base, f"listed-{number}", description="find 100% of _these_", priority=number)
    create_webhook(
        management_base,
        "listed-3",
        name="Alpha of the list",
        is_active=False,
        auth_type="bearer",
        auth_config={},
        description="find me",
    )

    def slugs(**parameters: str | int | bool) -> list[str]:
        answer = management_base.call("GET", WEBHOOKS, params={"search": "listed-", "per_page": 100, **parameters})
        assert answer.status_code == 200, answer.text
        return [shown["slug"] for shown in answer.json()["data"]]

    assert slugs() == ["listed-3", "listed-0", "listed-1", "listed-2"]
    assert slugs(sort="-slug") == ["listed-3", "listed-2", "listed-1", "listed-0"]
    assert slugs(sort="-priority", is_active=True) == ["listed-2", "listed-1", "listed-0"]
    assert slugs(sort="created_at")[0] == "listed-0"
    assert slugs(sort="-updated_at")[0] == "listed-3"
    assert slugs(is_active=False) == slugs(auth_type="bearer") == ["listed-3"]
    assert slugs(priority=2) == ["listed-2"]
    assert slugs(action="createTicket", handler_type="direct_action", sort="slug", page=2, per_page=3) == ["listed-3"]
    assert slugs(action="upsertAssetByExternalId") == []
    assert slugs(slug="listed-1") == ["listed-1"]
    assert slugs(slug="listed-") == []
    assert slugs(search="100% of _t", sort="slug") == ["listed-0", "listed-1", "listed-2"]
    assert slugs(search="LISTED-1") == ["listed-1"]
    page = management_base.call("GET", WEBHOOKS, params={"search": "listed-", "per_page": 2}).json()
    assert page["meta"] == {"page": 1, "per_page": 2, "total": 4}
    assert "sample_payload" not in page["data"][0]
    assert page["data"][0]["receiver_url"].endswith("/acme/listed-3")
    assert management_base.call("GET", WEBHOOKS, params={"sort": "secret"}).status_code == 400


def test_a_sample_is_shown_to_those_who_may_change_the_webhook(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "sampled")
    management_base.write(
        "UPDATE webhooks SET sample_payload = %s, sample_captured_at = now() WHERE id = %s",
        ('{"alert": {"title": ["no", "text"], "client": "Acme Ltd"}}', created["id"]),
    )
    editor = get_webhook(management_base, created["id"])
    assert editor["sample_payload"] == {"alert": {"title": ["no", "text"], "client": "Acme Ltd"}}
    assert [warning["path"] for warning in editor["warnings"]] == ["handler_config.field_mapping.title"]
    assert "title" in editor["warnings"][0]["message"]
    reader = bearer(management_base.new_key("inbound_webhook:read"))
    shown = management_base.call("GET", f"{WEBHOOKS}/{created['id']}", headers=reader).json()
    assert shown["has_sample_payload"] is True
    assert "sample_payload" not in shown
    unchanged = management_base.call("PUT", f"{WEBHOOKS}/{created['id']}", json=editor)
    assert unchanged.json() == editor


def test_each_operation_needs_its_own_permission(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "permitted")
    path = f"{WEBHOOKS}/{created['id']}"
    operations = [
        ("GET", WEBHOOKS, "read"),
        ("GET", path, "read"),
        ("GET", f"{path}/versions", "read"),
        ("GET", f"{path}/versions/1", "read"),
        ("POST", WEBHOOKS, "create"),
        ("PUT", path, "update"),
        ("PATCH", path, "update"),
        ("POST", f"{path}/enable", "update"),
        ("POST", f"{path}/disable", "update"),
        ("POST", f"{path}/rotate-secret", "update"),
        ("POST", f"{path}/finalise-rotation", "update"),
        ("POST", f"{path}/versions/1/restore", "update"),
        ("DELETE", path, "delete"),
    ]
    every = {"create", "read", "update", "delete", "replay"}
    for method, at, needed in operations:
        others = bearer(management_base.new_key(*(f"inbound_webhook:{name}" for name in every - {needed})))
        body: dict[str, Any] | None = {} if method in ("POST", "PUT", "PATCH") else None
        answer = management_base.call(method, at, headers=others, json=body)
        assert answer.status_code == 403, (method, at, answer.text)
        assert f"inbound_webhook:{needed}" in answer.json()["error"]["message"]


def test_without_the_entitlement_or_the_flag_nothing_is_answered(management_base: ManagementBase) -> None:
    tenant = management_base.other_tenant
    for column, off, on in (
        ("entitlements", "{public_api}", "{webhooks,public_api,workflows}"),
        ("inbound_webhooks_enabled", "false", "true"),
    ):
        management_base.write(f"UPDATE tenants SET {column} = %s WHERE id = %s", (off, tenant.id))  # noqa: S608
        answer = management_base.call("GET", WEBHOOKS, headers=tenant.headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "entitlement_required")
        management_base.write(f"UPDATE tenants SET {column} = %s WHERE id = %s", (on, tenant.id))  # noqa: S608
    assert management_base.call("GET", WEBHOOKS, headers=tenant.headers).status_code == 200
