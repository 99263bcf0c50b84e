"""upsertAssetByExternalId on a real Postgres: plain assets, partial updates, owners, tags, realms."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.actions import ActionBase, add, add_mapping, refusal_of
from tests.support.assets import asset_of, asset_request, mappings, take_events, upsert, without_times

OTHER_TENANT = UUID("0190b0a4-0000-7000-8000-0000000000ff")
RAW_BODY = {"event": {"id": "evt-1"}, "device": {"id": 8812, "hostname": "FRONTDESK-07"}}


@pytest.fixture
def base(migrated_dsn: str) -> ActionBase:
    return ActionBase.prepare(migrated_dsn)


def test_an_id_and_a_client_give_an_asset_with_the_defaults_and_one_event(base: ActionBase) -> None:
    request = asset_request(base, {}, hops=2)
    (outcome,) = base.run(request)
    asset = asset_of(base, outcome)
    assert (asset["name"], asset["asset_type"], asset["status"]) == ("d-1", "unknown", "active")
    assert (asset["is_active"], asset["asset_tag"], asset["rmm_provider"]) == (True, None, None)
    assert asset["client_id"] == base.tenant.ids["client"]
    assert outcome.body | {"message": ""} == {
        "action": "upsertAssetByExternalId",
        "entity_type": "asset",
        "entity_id": str(asset["id"]),
        "external_id": "d-1",
        "created": True,
        "changed": True,
        "message": "",
        "metadata": {},
    }
    expected = {"external_id": "d-1", "realm_id": "", "entity_id": asset["id"], "sync_status": "synced"}
    assert mappings(base) == [expected]
    (event,) = take_events(base)
    assert (event["type"], event["hops"], event["causation_id"]) == ("asset.created", 3, request["delivery_id"])
    assert event["actor"] == {"type": "webhook", "id": str(base.webhook_id), "name": "rmm-alerts"}
    assert (event["data"]["id"], event["data"]["name"], event["data"]["rmm"]) == (str(asset["id"]), "d-1", None)
    assert base.count("asset_rmm_details") == 0


def test_every_plain_field_is_stored(base: ActionBase) -> None:
    fields = {
        "asset_type": "server",
        "name": "db-01",
        "asset_tag": "ACME-7",
        "serial_number": "S7",
        "status": "in repair",
        "location": "Rack 4",
    }
    asset = asset_of(base, upsert(base, fields | {"client_id": str(base.tenant.ids["client"]).upper()}))
    assert {name: asset[name] for name in fields} == fields


def test_a_known_asset_with_a_status_only_keeps_owner_tag_and_name(base: ActionBase) -> None:
    first = upsert(base, {"asset_tag": "T-1", "name": "srv", "serial_number": "S1"})
    before = asset_of(base, first)
    take_events(base)
    second = upsert(base, {"client_id": ..., "status": "in repair"})
    after = asset_of(base, second)
    assert second.body["entity_id"] == first.body["entity_id"]
    assert (second.body["created"], second.body["changed"]) == (False, True)
    assert second.body["metadata"] == {"updated_fields": ["status"]}
    assert without_times(after) == without_times(before) | {"status": "in repair"}
    assert after["updated_at"] > before["updated_at"]
    (event,) = take_events(base)
    assert event["type"] == "asset.updated"
    assert event["changes"] == {"status": {"previous": "active", "new": "in repair"}}
    assert event["data"]["status"] == "in repair"


def test_null_clears_what_may_be_empty_and_resets_what_may_not(base: ActionBase) -> None:
    full = {"asset_tag": "T", "serial_number": "S", "location": "L", "asset_type": "server", "status": "x", "name": "n"}
    upsert(base, full)
    asset = asset_of(base, upsert(base, dict.fromkeys(full)))
    assert [asset[name] for name in ("asset_tag", "serial_number", "location")] == [None, None, None]
    assert [asset[name] for name in ("asset_type", "status", "name")] == ["unknown", "active", "d-1"]


def test_the_same_again_and_a_replay_change_nothing_and_tell_nothing(base: ActionBase) -> None:
    request = asset_request(base, {"name": "srv", "location": "Rack 4"})
    (first,) = base.run(request)
    take_events(base)
    rows = base.rows("SELECT * FROM assets ORDER BY id")
    (again,) = base.run(request)
    assert (again.repeated, again.body) == (True, first.body)
    (replayed,) = base.run(request | {"replay_id": str(uuid4())})
    assert not replayed.repeated
    assert (replayed.body["created"], replayed.body["changed"]) == (False, False)
    assert replayed.body["entity_id"] == first.body["entity_id"]
    assert base.rows("SELECT * FROM assets ORDER BY id") == rows
    assert take_events(base) == []


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"external_id": None}, "VALIDATION_ERROR", "external_id"),
        ({"external_id": "x" * 256}, "VALIDATION_ERROR", "external_id"),
        ({"client_id": ...}, "VALIDATION_ERROR", "client_id"),
        ({"client_id": None}, "VALIDATION_ERROR", "client_id"),
        ({"client_id": "Nobody"}, "VALIDATION_ERROR", "client_id"),
        ({"client_id": ..., "client_external_id": "7"}, "LOOKUP_MISS", "client_external_id"),
        ({"client_external_id": "7"}, "LOOKUP_MISS", "client_external_id"),
        ({"name": {"first": "x"}}, "VALIDATION_ERROR", "name"),
        ({"rmm_snapshot": "text"}, "VALIDATION_ERROR", "rmm_snapshot"),
        ({"rmm_snapshot": [1]}, "VALIDATION_ERROR", "rmm_snapshot"),
        ({"rmm_snapshot": None}, "VALIDATION_ERROR", "rmm_snapshot"),
        ({"colour": "red"}, "VALIDATION_ERROR", "colour"),
        ({"asset_tag": "acme-0001"}, "CONFLICT", "asset_tag"),
    ],
)
def test_what_does_not_fit_names_its_field_and_writes_nothing(
    base: ActionBase, fields: dict[str, Any], code: str, path: str
) -> None:
    assert refusal_of(upsert(base, fields)) == (code, f"field_mapping.{path}")
    assert base.count("assets") == 1  # the demo's own
    assert base.count("external_entity_mappings") == base.count("outbox") == base.count("asset_rmm_details") == 0


def test_an_option_of_another_action_is_refused(base: ActionBase) -> None:
    assert refusal_of(upsert(base, options={"on_existing": "update"}))[0] == "VALIDATION_ERROR"


def test_an_owner_given_later_moves_the_asset_and_two_owners_must_agree(base: ActionBase) -> None:
    other = add(base, "clients", name="Other Ltd")
    add_mapping(base, "client", "42", other)
    upsert(base)
    take_events(base)
    assert refusal_of(upsert(base, {"client_external_id": "42"})) == (
        "VALIDATION_ERROR",
        "field_mapping.client_external_id",
    )
    moved = upsert(base, {"client_id": ..., "client_external_id": "42"})
    assert asset_of(base, moved)["client_id"] == other
    (event,) = take_events(base)
    assert event["changes"] == {"client_id": {"previous": str(base.tenant.ids["client"]), "new": str(other)}}
    add_mapping(base, "client", "sleeping", add(base, "clients", name="Sleeping", is_inactive=True))
    for fields in ({"client_id": "Sleeping"}, {"client_id": ..., "client_external_id": "sleeping"}):
        assert refusal_of(upsert(base, fields))[0] == "VALIDATION_ERROR"
    assert asset_of(base, upsert(base, {"client_id": None}))["client_id"] == other


def test_a_taken_tag_is_a_conflict_that_names_the_asset_or_is_linked(base: ActionBase) -> None:
    holder = base.tenant.ids["asset"]
    refused = upsert(base, {"asset_tag": "acme-0001"})
    assert refusal_of(refused) == ("CONFLICT", "field_mapping.asset_tag")
    assert str(holder) in refused.body["message"]
    linked = upsert(base, {"asset_tag": "ACME-0001", "location": "Rack 4"}, options={"on_duplicate": "link"})
    assert asset_of(base, linked)["id"] == holder
    assert (linked.body["created"], linked.body["changed"]) == (False, True)
    assert (mappings(base)[0]["external_id"], mappings(base)[0]["entity_id"]) == ("d-1", holder)
    second_id = upsert(base, {"external_id": "d-2", "asset_tag": "ACME-0001"}, options={"on_duplicate": "link"})
    assert refusal_of(second_id) == ("CONFLICT", "field_mapping.external_id")
    upsert(base, {"external_id": "d-3"})
    mapped = upsert(base, {"external_id": "d-3", "asset_tag": "ACME-0001"}, options={"on_duplicate": "link"})
    assert refusal_of(mapped) == ("CONFLICT", "field_mapping.asset_tag")
    same = upsert(base, {"asset_tag": "ACME-0001"})
    assert (same.status, same.body["changed"]) == ("dispatched", False)


def test_linking_alone_is_a_change_without_an_event(base: ActionBase) -> None:
    linked = upsert(base, {"client_id": ..., "asset_tag": "ACME-0001"}, options={"on_duplicate": "link"})
    assert (linked.body["changed"], linked.body["metadata"]) == (True, {"updated_fields": []})
    assert take_events(base) == []


def test_one_external_id_may_be_a_client_and_an_asset(base: ActionBase) -> None:
    add_mapping(base, "client", "42", base.tenant.ids["client"])
    outcome = upsert(base, {"external_id": "42", "client_id": ..., "client_external_id": "42"})
    assert asset_of(base, outcome)["client_id"] == base.tenant.ids["client"]
    assert base.count("external_entity_mappings") == 2


def test_without_a_scope_an_id_means_realm_less_else_the_only_one(base: ActionBase) -> None:
    scoped = upsert(base, {"external_scope_id": "site-1"})
    assert mappings(base)[0]["realm_id"] == "site-1"
    only = upsert(base, {"status": "seen"})
    assert only.body["entity_id"] == scoped.body["entity_id"]
    assert mappings(base)[0]["realm_id"] == "site-1"
    client = base.tenant.ids["client"]
    add_mapping(base, "asset", "d-1", add(base, "assets", client_id=client, name="second"), "site-2")
    assert refusal_of(upsert(base, {"status": "seen"})) == ("VALIDATION_ERROR", "field_mapping.external_id")
    realm_less = add(base, "assets", client_id=client, name="third")
    add_mapping(base, "asset", "d-1", realm_less)
    assert asset_of(base, upsert(base, {"status": "seen"}))["id"] == realm_less


def test_a_raw_body_as_snapshot_makes_a_plain_asset_with_a_warning(base: ActionBase) -> None:
    outcome = upsert(base, {"rmm_snapshot": RAW_BODY})
    assert outcome.body["metadata"] == {"warnings": ["snapshot_not_normalized"]}
    assert asset_of(base, outcome)["rmm_device_id"] is None
    assert base.count("asset_rmm_details") == 0
    again = upsert(base, {"rmm_snapshot": RAW_BODY | {"hostname": None}})
    assert again.body["metadata"] == {"updated_fields": [], "warnings": ["snapshot_not_normalized"]}
    assert (again.body["changed"], again.body["entity_id"]) == (False, outcome.body["entity_id"])


def test_another_tenants_owner_is_as_if_missing(base: ActionBase) -> None:
    base.write("INSERT INTO tenants (id, slug, name) VALUES (%s, 'other', 'Other')", [OTHER_TENANT])
    foreign = add(base, "clients", tenant_id=OTHER_TENANT, name="Foreign Ltd")
    by_id, by_name, unknown = (
        upsert(base, {"client_id": text}) for text in (str(foreign), "Foreign Ltd", str(uuid4()))
    )
    assert refusal_of(by_id) == refusal_of(by_name) == refusal_of(unknown)
    assert len({outcome.body["message"].split("'")[2] for outcome in (by_id, by_name, unknown)}) == 1
    add_mapping(base, "client", "f", foreign)  # a mapping that could not come about by itself
    assert refusal_of(upsert(base, {"client_id": ..., "client_external_id": "f"}))[0] == "VALIDATION_ERROR"


def test_another_tenants_tag_is_free_here(base: ActionBase) -> None:
    base.write("INSERT INTO tenants (id, slug, name) VALUES (%s, 'other', 'Other')", [OTHER_TENANT])
    client = add(base, "clients", tenant_id=OTHER_TENANT, name="Foreign Ltd")
    add(base, "assets", tenant_id=OTHER_TENANT, client_id=client, name="theirs", asset_tag="T-1")
    assert asset_of(base, upsert(base, {"asset_tag": "T-1"}))["tenant_id"] == base.tenant.tenant_id


def test_another_webhooks_namespace_is_used_with_external_ids_of(base: ActionBase) -> None:
    other = uuid4()
    base.register(other)
    first = upsert(base)
    shared = {"webhook_id": str(other), "options": {"external_ids_of": str(base.webhook_id)}}
    through, own = upsert(base, {"status": "seen"}, **shared), upsert(base, webhook_id=str(other))
    assert through.body["entity_id"] == first.body["entity_id"]
    assert own.body["created"]
    assert refusal_of(upsert(base, webhook_id=str(uuid4()))) == ("LOOKUP_MISS", "field_mapping.external_id")


def test_a_mapped_asset_that_is_gone_is_a_miss(base: ActionBase) -> None:
    add_mapping(base, "asset", "d-1", uuid4())
    assert refusal_of(upsert(base)) == ("LOOKUP_MISS", "field_mapping.external_id")
