"""Versions of webhooks over the API: who changed what, how versions differ, and the way back."""

from __future__ import annotations

from tests.support.management import ManagementBase, management_base
from tests.support.webhooks import WEBHOOKS, Json, create_webhook, get_webhook, problems_of

__all__ = ["management_base"]


def version_of(base: ManagementBase, webhook_id: str, number: int) -> Json:
    """One version as it is shown."""
    answer = base.call("GET", f"{WEBHOOKS}/{webhook_id}/versions/{number}")
    assert answer.status_code == 200, answer.text
    shown: Json = answer.json()
    return shown


def test_every_change_is_a_version_with_its_author_and_its_kind(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "with-versions")
    path = f"{WEBHOOKS}/{created['id']}"
    management_base.call("PATCH", path, json={"name": "Second"})
    management_base.call("POST", f"{path}/disable")
    management_base.call("POST", f"{path}/enable")
    management_base.call("POST", f"{path}/rotate-secret", json={})
    management_base.call("POST", f"{path}/finalise-rotation")
    listed = management_base.call("GET", f"{path}/versions").json()
    assert listed["meta"] == {"page": 1, "per_page": 25, "total": 6}
    assert [(entry["version"], entry["change"]) for entry in listed["data"]] == [
        (6, "rotation_finalised"),
        (5, "secret_rotated"),
        (4, "enabled"),
        (3, "disabled"),
        (2, "updated"),
        (1, "created"),
    ]
    assert {entry["changed_by"]["type"] for entry in listed["data"]} == {"api_key"}
    assert all(entry["changed_at"].endswith("Z") for entry in listed["data"])
    second = management_base.call("GET", f"{path}/versions", params={"page": 2, "per_page": 4}).json()
    assert [entry["version"] for entry in second["data"]] == [2, 1]


def test_a_version_shows_its_settings_and_how_they_differ_from_the_ones_before(
    management_base: ManagementBase,
) -> None:
    created = create_webhook(management_base, "differing", metadata={"a": 1})
    path = f"{WEBHOOKS}/{created['id']}"
    management_base.call(
        "PATCH",
        path,
        json={
            "name": "Second",
            "auth_config": {"secret": "not-part-of-a-version", "ip_cidrs": ["10.0.0.0/8"]},
            "handler_config": {"field_mapping": {"title": "alert.subject", "description": "alert.text"}},
            "metadata": {"a": None, "b": True},
        },
    )
    first, second = version_of(management_base, created["id"], 1), version_of(management_base, created["id"], 2)
    assert first["differences"] == []
    assert first["config"]["name"] == "Differing"
    assert second["differences"] == [
        {"path": "auth_config.ip_cidrs", "before": [], "after": ["10.0.0.0/8"]},
        {"path": "handler_config.field_mapping.description", "before": None, "after": "alert.text"},
        {"path": "handler_config.field_mapping.title", "before": "alert.title", "after": "alert.subject"},
        {"path": "metadata.a", "before": 1, "after": None},
        {"path": "metadata.b", "before": None, "after": True},
        {"path": "name", "before": "Differing", "after": "Second"},
    ]
    assert management_base.call("GET", f"{path}/versions/3").status_code == 404
    assert management_base.call("GET", f"{path}/versions/0").status_code == 400


def test_a_restored_version_is_the_newest_one_and_leaves_the_secret_alone(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "restored", description="first")
    path = f"{WEBHOOKS}/{created['id']}"
    management_base.call("PATCH", path, json={"description": "second", "slug": "restored-later"})
    management_base.call("POST", f"{path}/rotate-secret", json={})
    sealed = management_base.rows("SELECT slot, sealed FROM webhook_secrets WHERE webhook_id = %s", (created["id"],))
    answer = management_base.call(
        "POST", f"{path}/versions/1/restore", headers={**management_base.tenant.headers, "If-Match": '"3"'}
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["ETag"] == '"4"'
    restored = answer.json()
    assert (restored["description"], restored["slug"], restored["version"]) == ("first", "restored", 4)
    assert "secret" not in restored
    assert sealed == management_base.rows(
        "SELECT slot, sealed FROM webhook_secrets WHERE webhook_id = %s", (created["id"],)
    )
    assert version_of(management_base, created["id"], 4)["change"] == "restored"
    again = management_base.call("POST", f"{path}/versions/1/restore").json()
    assert again["version"] == 4


def test_a_version_that_is_wrong_by_now_is_not_restored(management_base: ManagementBase) -> None:
    base = create_webhook(management_base, "restore-namespace")
    handler = {"action": "createTicket", "field_mapping": {"title": "a", "client_id": "b"}}
    created = create_webhook(
        management_base, "restore-wrong", handler_config={**handler, "external_ids_of": base["id"]}
    )
    path = f"{WEBHOOKS}/{created['id']}"
    changed = {"slug": "restore-other", "handler_config": {"external_ids_of": None}}
    assert management_base.call("PATCH", path, json=changed).status_code == 200
    assert management_base.call("DELETE", f"{WEBHOOKS}/{base['id']}").status_code == 204
    refused = management_base.call("POST", f"{path}/versions/1/restore")
    assert problems_of(refused).keys() == {"handler_config.external_ids_of"}
    create_webhook(management_base, "restore-namespace-2")
    assert get_webhook(management_base, created["id"])["version"] == 2


def test_a_version_whose_slug_is_taken_by_now_is_a_conflict(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "slug-of-then")
    path = f"{WEBHOOKS}/{created['id']}"
    management_base.call("PATCH", path, json={"slug": "slug-of-now"})
    create_webhook(management_base, "slug-of-then")
    answer = management_base.call("POST", f"{path}/versions/1/restore")
    assert answer.status_code == 409
    assert answer.json()["error"]["details"][0]["path"] == "slug"


def test_restoring_a_scheme_with_a_secret_over_one_without_generates_it(management_base: ManagementBase) -> None:
    created = create_webhook(management_base, "restored-scheme")
    path = f"{WEBHOOKS}/{created['id']}"
    opened = {"auth_type": "none", "auth_config": {"acknowledge_unauthenticated": True}}
    assert management_base.call("PATCH", path, json=opened).status_code == 200
    restored = management_base.call("POST", f"{path}/versions/1/restore").json()
    assert restored["auth_type"] == "hmac_sha256"
    assert len(restored["secret"]) == 43
