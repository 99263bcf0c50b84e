"""Which asset a device snapshot means, and whose it is, on a real Postgres."""

from typing import Any
from uuid import uuid4

import pytest

from sinks.actions.execution import Outcome
from tests.support.actions import ActionBase, add, add_mapping, refusal_of
from tests.support.assets import FULL_SNAPSHOT, asset_of, mappings, take_events, tell, upsert


@pytest.fixture
def base(migrated_dsn: str) -> ActionBase:
    return ActionBase.prepare(migrated_dsn)


def test_a_device_in_a_new_scope_is_the_same_asset_and_its_realm_follows(base: ActionBase) -> None:
    first = tell(base, FULL_SNAPSHOT)
    take_events(base)
    moved = tell(base, {"scope_id": "site-2", "serial_number": "s1"})
    assert moved.body["entity_id"] == first.body["entity_id"]
    assert [row["realm_id"] for row in mappings(base)] == ["site-2"]
    only_scope = tell(base, {"scope_id": "site-3"})
    assert (only_scope.body["changed"], only_scope.body["metadata"]) == (True, {"updated_fields": []})
    plain = upsert(base, {"status": "seen"})
    assert (plain.body["entity_id"], mappings(base)[0]["realm_id"]) == (first.body["entity_id"], "site-3")


def test_another_serial_number_in_a_new_scope_is_a_second_asset(base: ActionBase) -> None:
    first = tell(base, FULL_SNAPSHOT)
    second = tell(base, FULL_SNAPSHOT | {"scope_id": "site-2", "serial_number": "S2"})
    assert second.body["created"]
    assert [row["realm_id"] for row in mappings(base)] == ["site-1", "site-2"]
    replaced = tell(base, {"serial_number": "S3"})
    assert replaced.body["entity_id"] == first.body["entity_id"]  # in its own realm the mapping rules
    third = tell(base, {"scope_id": "site-3", "serial_number": "S4"})
    assert third.body["created"]
    ambiguous = tell(base, {"scope_id": "site-4"})
    assert refusal_of(ambiguous) == ("VALIDATION_ERROR", "field_mapping.external_id")
    by_serial = tell(base, {"scope_id": "site-4", "serial_number": "S4"})
    assert by_serial.body["entity_id"] == third.body["entity_id"]


def test_a_device_known_to_another_webhook_is_the_same_asset_where_its_provider_is_named(base: ActionBase) -> None:
    first = tell(base, FULL_SNAPSHOT)
    other = uuid4()
    base.register(other)

    def through_other(external_id: str, snapshot: dict[str, Any]) -> Outcome:
        fields = {"external_id": external_id, "rmm_snapshot": snapshot}
        return upsert(base, fields, webhook_id=str(other))

    known = {"provider": "acme-rmm", "device_id": "d-1"}
    assert through_other("x-1", known | {"serial_number": "S2"}).body["created"]
    unnamed = through_other("x-2", {"device_id": "d-1", "serial_number": "S1"})
    assert unnamed.body["created"]
    same = through_other("x-3", known | {"serial_number": "S1"})
    assert (same.body["entity_id"], same.body["created"]) == (first.body["entity_id"], False)
    ambiguous = through_other("x-4", known)
    assert refusal_of(ambiguous) == ("CONFLICT", "field_mapping.rmm_snapshot")
    assert first.body["entity_id"] in ambiguous.body["message"]
    assert refusal_of(through_other("x-5", known | {"serial_number": "S1"})) == (
        "CONFLICT",
        "field_mapping.external_id",
    )


def test_the_provider_webhook_never_matches_across_webhooks(base: ActionBase) -> None:
    other = uuid4()
    base.register(other)
    snapshot = {"device_id": "d-1", "provider": "webhook"}
    first = upsert(base, {"rmm_snapshot": snapshot})
    second = upsert(base, {"rmm_snapshot": snapshot}, webhook_id=str(other))
    assert (first.body["created"], second.body["created"]) == (True, True)
    assert [asset_of(base, outcome)["rmm_provider"] for outcome in (first, second)] == ["webhook", "webhook"]


def test_another_tenants_device_is_as_if_missing(base: ActionBase) -> None:
    tenant_id = uuid4()
    base.write("INSERT INTO tenants (id, slug, name) VALUES (%s, 'other', 'Other')", [tenant_id])
    client = add(base, "clients", tenant_id=tenant_id, name="Foreign Ltd")
    device = {"rmm_provider": "acme-rmm", "rmm_device_id": "d-1"}
    foreign = add(base, "assets", tenant_id=tenant_id, client_id=client, name="theirs", **device)
    outcome = tell(base, FULL_SNAPSHOT)
    assert (outcome.body["created"], outcome.body["entity_id"]) == (True, str(asset_of(base, outcome)["id"]))
    assert asset_of(base, outcome)["id"] != foreign


def test_the_client_a_scope_is_mapped_to_owns_its_devices(base: ActionBase) -> None:
    without = tell(base, client_id=...)
    assert refusal_of(without) == ("VALIDATION_ERROR", "field_mapping.client_id")
    other = add(base, "clients", name="Other Ltd")
    add_mapping(base, "client", "site-1", other)
    asset = asset_of(base, tell(base, client_id=...))
    assert asset["client_id"] == other
    assert asset_of(base, tell(base))["client_id"] == base.tenant.ids["client"]  # the mapped owner goes first
    assert asset_of(base, tell(base, {"scope_id": "site-2"}, client_id=...))["client_id"] == base.tenant.ids["client"]
    add_mapping(base, "client", "site-2", base.tenant.ids["client"])
    base.write("UPDATE clients SET is_inactive = true WHERE id = %s", [other])
    assert asset_of(base, tell(base, client_id=...))["client_id"] == base.tenant.ids["client"]  # the present owner
    refused = tell(base, {"device_id": "d-2"}, external_id="d-2", client_id=...)
    assert refusal_of(refused) == ("VALIDATION_ERROR", "field_mapping.client_id")
    assert "not an active one" in refused.body["message"]


def test_a_snapshot_without_scope_is_in_the_realm_default(base: ActionBase) -> None:
    add_mapping(base, "client", "default", base.tenant.ids["client"])
    tell(base, {"scope_id": ...}, client_id=...)
    assert mappings(base)[0]["realm_id"] == "default"
