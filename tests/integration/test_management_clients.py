"""Clients, contacts and assets through the API: what is checked of them, told of them, and kept from going."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.entities import make_entity
from tests.support.management import ManagementBase
from tests.support.webhooks import create_webhook, problems_of

Json = dict[str, Any]
LONG = "x" * 256
DETAILS = """
INSERT INTO asset_rmm_details
    (tenant_id, asset_id, status, hostname, last_seen_at, disks, software, extension, updated_at)
VALUES (%s, %s, 'active', 'srv-01', '2026-01-31T12:00:00Z', '[{"name": "C:", "total_bytes": 100, "free_bytes": 20}]',
    '[{"name": "Office", "version": "1", "publisher": null, "installed_at": null}]', '{"site": "north"}', now())
"""


def changed(base: ManagementBase, path: str, entity: Json, **members: Any) -> Json:
    answer = base.call("PATCH", f"{path}/{entity['id']}", json=members)
    assert answer.status_code == 200, answer.text
    shown: Json = answer.json()
    return shown


def conflict_of(answer: httpx.Response) -> str:
    assert answer.status_code == 409, answer.text
    message: str = answer.json()["error"]["message"]
    return message


def told_of(base: ManagementBase, entity: Json) -> list[Json]:
    rows = base.rows("SELECT payload FROM outbox WHERE entity_id = %s ORDER BY position", (entity["id"],))
    return [row["payload"] for row in rows]


def ids_of(base: ManagementBase, path: str, **filters: Any) -> set[str]:
    listed = base.call("GET", path, params={"per_page": 100, **filters})
    assert listed.status_code == 200, listed.text
    return {row["id"] for row in listed.json()["data"]}


@pytest.mark.parametrize(
    ("kind", "path", "member", "values"),
    [
        ("client", "/clients", "url", ["x" * 1_025, ""]),
        ("client", "/clients", "phone_no", [LONG]),
        ("client", "/clients", "zip", [LONG, 12]),
        ("client", "/clients", "email", ["acme", "a@b@c", "a b@c", LONG]),
        ("client", "/clients", "notes", ["x" * 20_001]),
        ("client", "/clients", "default_currency_code", ["EURO", "E1R", "€UR"]),
        ("client", "/clients", "client_type", ["person", None]),
        ("client", "/clients", "is_inactive", [None]),
        ("client", "/clients", "properties", [[], "x", {"a": "x" * 65_536}]),
        ("contact", "/contacts", "email", ["carla", None, f"{LONG}@acme.example"]),
        ("contact", "/contacts", "full_name", ["", LONG, None]),
        ("contact", "/contacts", "role", [LONG]),
        ("contact", "/contacts", "client_id", [None, "Acme Ltd"]),
        ("asset", "/assets", "name", ["", LONG]),
        ("asset", "/assets", "status", [None, LONG]),
        ("asset", "/assets", "rmm", [{"status": "offline"}]),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(
    management_base: ManagementBase, kind: str, path: str, member: str, values: list[Any]
) -> None:
    made = make_entity(management_base, kind)
    for value in values:
        refused = management_base.call("PATCH", f"{path}/{made['id']}", json={member: value})
        assert set(problems_of(refused)) == {member}, value
    assert management_base.call("GET", f"{path}/{made['id']}").json() == made


def test_a_client_keeps_what_is_not_named_and_its_properties_merge(management_base: ManagementBase) -> None:
    base = management_base
    made = make_entity(
        base, "client", phone_no=" +49 30 1 ", default_currency_code="eur", properties={"a": 1, "b": {"c": 1}}
    )
    assert (made["phone_no"], made["default_currency_code"], made["client_type"]) == ("+49 30 1", "EUR", "company")
    after = changed(base, "/clients", made, phone_no=None, properties={"a": True, "b": {"d": 2}})
    assert after == {
        **made,
        "phone_no": None,
        "properties": {"a": True, "b": {"c": 1, "d": 2}},
        "updated_at": after["updated_at"],
    }
    assert changed(base, "/clients", made, properties={"b": None})["properties"] == {"a": True}
    half = "x" * 40_000
    changed(base, "/clients", made, properties={"first": half})
    refused = base.call("PATCH", f"/clients/{made['id']}", json={"properties": {"second": half}})
    assert set(problems_of(refused)) == {"properties"}
    assert changed(base, "/clients", made, properties=None)["properties"] == {}


def test_each_kind_of_change_has_its_event(management_base: ManagementBase) -> None:
    base = management_base
    client = make_entity(base, "client")
    changed(base, "/clients", client, city="Berlin", is_inactive=True)
    changed(base, "/clients", client, is_inactive=False)
    events = told_of(base, client)
    assert [event["type"] for event in events] == [
        "client.created",
        "client.updated",
        "client.deactivated",
        "client.activated",
    ]
    assert events[1]["changes"] == {"city": {"previous": None, "new": "Berlin"}}
    assert events[1]["data"] == base.call("GET", f"/clients/{client['id']}").json() | {
        "is_inactive": True,
        "updated_at": events[1]["data"]["updated_at"],
    }
    asset = make_entity(base, "asset", client_id=client["id"])
    changed(base, "/assets", asset, is_active=False)
    changed(base, "/assets", asset, is_active=True, location="Rack 2")
    assert [event["type"] for event in told_of(base, asset)] == [
        "asset.created",
        "asset.deactivated",
        "asset.updated",
        "asset.activated",
    ]


def test_a_client_that_others_refer_to_stays_and_the_refusal_says_what_to_do(management_base: ManagementBase) -> None:
    base = management_base
    client = make_entity(base, "client")
    location = make_entity(base, "client_location", client_id=client["id"])
    contact = make_entity(base, "contact", client_id=client["id"])
    message = conflict_of(base.call("DELETE", f"/clients/{client['id']}"))
    assert "contacts" in message
    assert "is_inactive" in message
    other = make_entity(base, "client")
    assert changed(base, "/contacts", contact, client_id=other["id"])["client_id"] == other["id"]
    assert base.call("DELETE", f"/clients/{client['id']}").status_code == 204
    assert base.call("GET", f"/client-locations/{location['id']}").status_code == 404


def test_a_new_client_brings_its_external_id_or_is_not_made(management_base: ManagementBase) -> None:
    base = management_base
    webhook_id = create_webhook(base, f"w-{uuid4().hex}")["id"]
    name = f"Mapped {uuid4().hex}"
    body = {"name": name, "external_id": "C-1", "webhook_id": webhook_id}
    for wrong, member in (
        ({"webhook_id": None}, "webhook_id"),
        ({"external_id": None}, "external_id"),
        ({"webhook_id": str(uuid4())}, "webhook_id"),
    ):
        assert set(problems_of(base.call("POST", "/clients", json=body | wrong))) == {member}
    assert ids_of(base, "/clients", search=name) == set()
    made = base.call("POST", "/clients", json=body).json()
    [mapping] = base.call("GET", "/external-entity-mappings", params={"entity_id": made["id"]}).json()["data"]
    assert (mapping["webhook_id"], mapping["entity_type"], mapping["external_id"]) == (webhook_id, "client", "C-1")
    refused = base.call("POST", "/clients", json=body | {"name": f"{name} 2"})
    assert "C-1" in conflict_of(refused)
    assert refused.json()["error"]["details"][0]["path"] == "external_id"
    assert ids_of(base, "/clients", search=name.upper()) == {made["id"]}
    assert base.call("DELETE", f"/clients/{made['id']}").status_code == 204
    assert base.call("GET", f"/external-entity-mappings/{mapping['id']}").status_code == 404


def test_an_asset_shows_what_snapshots_told_of_it_and_its_events_do_too(management_base: ManagementBase) -> None:
    base = management_base
    asset = make_entity(base, "asset", rmm_provider="acme-rmm", rmm_device_id="D-1")
    assert asset["rmm"] is None
    base.write(DETAILS, (base.tenant.id, asset["id"]))
    shown = base.call("GET", f"/assets/{asset['id']}").json()["rmm"]
    assert (shown["status"], shown["last_seen_at"], shown["software_count"]) == (
        "active",
        "2026-01-31T12:00:00.000Z",
        1,
    )
    assert [one["name"] for one in shown["software"]] == ["Office"]
    [listed] = base.call("GET", "/assets", params={"client_id": asset["client_id"]}).json()["data"]
    assert listed["rmm"] == shown | {"software": None}
    changed(base, "/assets", asset, location="Rack 1")
    expected = {name: value for name, value in shown.items() if name != "software"}
    assert told_of(base, asset)[-1]["data"]["rmm"] == expected
    refused = base.call("PATCH", f"/assets/{asset['id']}", json={"rmm_provider": None})
    assert set(problems_of(refused)) == {"rmm_provider"}
    assert base.call("DELETE", f"/assets/{asset['id']}").status_code == 204


def test_lists_are_narrowed_by_every_filter_there_is(management_base: ManagementBase) -> None:
    base = management_base
    word = uuid4().hex
    client = make_entity(base, "client", name=f"{word} Ltd")
    person = make_entity(base, "client", name=f"{word} Smith", client_type="individual", is_inactive=True)
    assert ids_of(base, "/clients", search=word) == {client["id"], person["id"]}
    assert ids_of(base, "/clients", search=word, client_type="individual") == {person["id"]}
    assert ids_of(base, "/clients", search=word, is_inactive=False) == {client["id"]}
    first = make_entity(base, "contact", client_id=client["id"], email=f"{word}@acme.example")
    second = make_entity(base, "contact", client_id=client["id"], is_inactive=True)
    assert ids_of(base, "/contacts", client_id=client["id"]) == {first["id"], second["id"]}
    assert ids_of(base, "/contacts", client_id=client["id"], is_inactive=True) == {second["id"]}
    assert ids_of(base, "/contacts", search=word.upper()) == {first["id"]}
    place = make_entity(base, "client_location", client_id=client["id"], name="Yard", is_active=False)
    assert ids_of(base, "/client-locations", client_id=client["id"], is_active=False, search="yar") == {place["id"]}
    assert ids_of(base, "/client-locations", client_id=client["id"], is_active=True) == set()
    server = make_entity(base, "asset", client_id=client["id"], asset_type="server", serial_number=f"sn-{word}")
    plain = make_entity(base, "asset", client_id=client["id"], asset_tag=None, is_active=False)
    assert ids_of(base, "/assets", client_id=client["id"]) == {server["id"], plain["id"]}
    assert ids_of(base, "/assets", search=f"N-{word}", asset_type="server") == {server["id"]}
    assert ids_of(base, "/assets", client_id=client["id"], is_active=False) == {plain["id"]}
    assert base.call("GET", "/clients", params={"client_type": "person"}).status_code == 400
