"""Changes of inbound webhooks over the API: PUT, PATCH, and changes that somebody else was faster with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.support.management import ManagementBase, management_base
from tests.support.webhooks import (
    WEBHOOKS,
    actions_of,
    create_webhook,
    get_webhook,
    problems_of,
    record_of,
    webhook_body,
)

__all__ = ["management_base"]


def test_a_put_changes_what_it_says_and_nothing_it_does_not_know(management_base: ManagementBase) -> None:
    created = create_webhook(
        management_base,
        "partial-put",
        auth_config={"signature_header": "X-Signature", "ip_cidrs": ["10.0.0.0/8"], "prefix": "v1="},
        description="kept",
        priority=3,
        max_body_bytes=2048,
        ordering_key="alert.id",
        handler_config={
            "action": "createTicket",
            "field_mapping": {"title": "alert.title", "client_id": "alert.client", "description": "alert.text"},
            "on_existing": "ignore",
        },
    )
    changed = management_base.call(
        "PUT", f"{WEBHOOKS}/{created['id']}", json=webhook_body("partial-put", name="New name")
    ).json()
    assert changed["name"] == "New name"
    assert changed["version"] == 2
    assert (changed["description"], changed["priority"], changed["max_body_bytes"]) == ("kept", 3, 2048)
    assert changed["ordering_key"] == "alert.id"
    assert changed["auth_config"]["ip_cidrs"] == ["10.0.0.0/8"]
    assert changed["auth_config"]["prefix"] == "v1="
    assert changed["handler_config"]["on_existing"] == "ignore"
    assert changed["handler_config"]["field_mapping"] == {"title": "alert.title", "client_id": "alert.client"}
    assert record_of(management_base, created["id"]).name == "New name"  # type: ignore[union-attr]  # asserted by name


def test_a_put_takes_away_what_it_says_is_to_go(management_base: ManagementBase) -> None:
    created = create_webhook(
        management_base, "put-nulls", ordering_key="alert.id", filters={"all": []}, metadata={"team": "blue"}
    )
    body = webhook_body("put-nulls", ordering_key=None, filters=None, metadata={})
    changed = management_base.call("PUT", f"{WEBHOOKS}/{created['id']}", json=body).json()
    assert (changed["ordering_key"], changed["filters"], changed["metadata"]) == (None, None, {})


def test_a_put_without_the_members_it_needs_names_all_of_them(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "put-nothing")
    answer = management_base.call("PUT", f"{WEBHOOKS}/{created['id']}", json={})
    assert problems_of(answer).keys() == {"name", "slug", "auth_type", "handler_type", "handler_config"}


def test_a_change_of_the_scheme_keeps_the_networks_and_makes_a_new_secret(management_base: ManagementBase) -> None:
    created = create_webhook(
        management_base, "scheme-change", auth_config={"signature_header": "X-A", "ip_cidrs": ["10.0.0.0/8"]}
    )
    path = f"{WEBHOOKS}/{created['id']}"
    changed = management_base.call("PATCH", path, json={"auth_type": "bearer"}).json()
    assert changed["auth_config"] == {"type": "bearer", "ip_cidrs": ["10.0.0.0/8"]}
    assert changed["secret"] != created["secret"]
    opened = management_base.call(
        "PUT",
        path,
        json=webhook_body("scheme-change", auth_type="none", auth_config={"acknowledge_unauthenticated": True}),
    ).json()
    assert opened["auth_config"]["ip_cidrs"] == ["10.0.0.0/8"]
    assert "secret" not in opened
    assert opened["secret_rotated_at"] is None
    record = record_of(management_base, created["id"])
    assert record is not None
    assert record.auth_config.secrets == ()


def test_a_patch_merges_objects_and_takes_null_members_away(management_base: ManagementBase) -> None:
    created = create_webhook(
        management_base,
        "patched",
        description="text",
        handler_config={
            "action": "createTicket",
            "field_mapping": {"title": "alert.title", "client_id": "alert.client", "description": "alert.text"},
            "on_existing": "update",
        },
    )
    answer = management_base.call(
        "PATCH",
        f"{WEBHOOKS}/{created['id']}",
        json={
            "description": None,
            "auth_config": {"algorithm": "sha512"},
            "handler_config": {"field_mapping": {"description": None, "due_date": "alert.due"}, "on_existing": None},
        },
        headers={**management_base.tenant.headers, "If-Match": '"1"', "Content-Type": "application/merge-patch+json"},
    )
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert changed["description"] == ""
    assert changed["auth_config"]["algorithm"] == "sha512"
    assert changed["auth_config"]["signature_header"] == "X-Signature"
    assert changed["handler_config"] == {
        "type": "direct_action",
        "action": "createTicket",
        "field_mapping": {"title": "alert.title", "client_id": "alert.client", "due_date": "alert.due"},
    }
    assert answer.headers["ETag"] == '"2"'


def test_a_change_over_one_that_was_not_seen_is_refused_and_changes_nothing(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "lost-update")
    path, headers = f"{WEBHOOKS}/{created['id']}", management_base.tenant.headers
    assert management_base.call("PATCH", path, json={"name": "Second"}).status_code == 200
    stale = {**headers, "If-Match": '"1"'}
    refused = [
        management_base.call("PUT", path, json=webhook_body("lost-update", name="Third"), headers=stale),
        management_base.call("PATCH", path, json={"name": "Third"}, headers=stale),
        management_base.call("PUT", path, json=webhook_body("lost-update", name="Third", version=1)),
        management_base.call("PATCH", path, json={"name": "Third", "version": 1}),
        management_base.call("DELETE", path, headers=stale),
        management_base.call("POST", f"{path}/versions/1/restore", headers=stale),
    ]
    for answer in refused:
        assert answer.status_code == 412, answer.text
        assert answer.json()["error"]["code"] == "precondition_failed"
        assert answer.headers["ETag"] == '"2"'
    assert get_webhook(management_base, created["id"])["name"] == "Second"
    several = {**headers, "If-Match": '"7", "2"'}
    assert management_base.call("PATCH", path, json={"name": "Third"}, headers=several).status_code == 200
    assert management_base.call("PATCH", path, json={"name": "4"}, headers={**headers, "If-Match": "*"}).is_success


def test_of_two_puts_with_one_etag_at_once_one_is_refused(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "two-puts")
    headers = {**management_base.tenant.headers, "If-Match": '"1"'}

    def put(name: str) -> int:
        body = webhook_body("two-puts", name=name)
        return management_base.call("PUT", f"{WEBHOOKS}/{created['id']}", json=body, headers=headers).status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(put, ["One", "Other"])) == [200, 412]
    assert get_webhook(management_base, created["id"])["version"] == 2


def test_what_get_shows_can_be_put_back_unchanged(management_base: ManagementBase) -> None:
    created = create_webhook(
        management_base,
        "put-back",
        idempotency_source={"type": "jsonata", "value": "alert.id"},
        filters={"all": [{"field": "$.alert.kind", "operator": "equals", "value": "disk"}]},
        metadata={"team": "blue", "weight": 1.5, "on": True, "none": None},
        validation={"mode": "warn", "event_type": "ticket.created"},
        handler_config={
            "action": "createTicket",
            "field_mapping": {"title": "alert.title", "client_id": "alert.client"},
            "on_existing": "update",
        },
    )
    path = f"{WEBHOOKS}/{created['id']}"
    shown = management_base.call("GET", path)
    answer = management_base.call("PUT", path, json=shown.json())
    assert answer.status_code == 200, answer.text
    assert answer.json() == shown.json()
    assert answer.headers["ETag"] == shown.headers["ETag"] == '"1"'
    assert actions_of(management_base, created["id"]) == ["inbound_webhook.created"]
    assert shown.json()["validation"] == {"mode": "warn", "event_type": "ticket.created", "event_version": 1}


def test_true_in_place_of_1_is_a_change_and_1_point_0_is_none(management_base: ManagementBase) -> None:
    rule = {"field": "$.level", "operator": "equals", "value": 1}
    created = create_webhook(management_base, "one-or-true", metadata={"level": 1}, filters={"all": [rule]})
    path = f"{WEBHOOKS}/{created['id']}"
    same = management_base.call("PATCH", path, json={"metadata": {"level": 1.0}}).json()
    assert same["version"] == 1
    changed = management_base.call("PATCH", path, json={"metadata": {"level": True}}).json()
    assert (changed["version"], changed["metadata"]["level"]) == (2, True)
    changed = management_base.call("PATCH", path, json={"filters": {"all": [{**rule, "value": True}]}}).json()
    assert (changed["version"], changed["filters"]["all"][0]["value"]) == (3, True)
    [difference] = management_base.call("GET", f"{path}/versions/3").json()["differences"]
    assert (difference["path"], difference["after"][0]["value"]) == ("filters.all", True)
