"""Device snapshots on a real Postgres: details, matching, owners, lifecycle, events."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest

from infra.actions.core.coercion import compile_coercer
from infra.actions.registry import ActionRegistry, RegisteredAction
from infra.jsonata import Limits
from infra.requests.mapping import FieldMapping
from schemas.actions import ActionContext, ActionResult
from sinks.actions.assets import UPSERT_ASSET
from sinks.actions.assets.snapshot import EXTENSION_BYTES_MAX, SOFTWARE_MAX, parse_device_snapshot
from sinks.actions.assets.upsert import ingest_device_snapshot
from tests.support.actions import ActionBase, refusal_of
from tests.support.assets import (
    FULL_SNAPSHOT,
    asset_of,
    details_of,
    documented,
    mappings,
    take_event_types,
    take_events,
    tell,
    upsert,
    without_times,
)


@pytest.fixture
def base(migrated_dsn: str) -> ActionBase:
    return ActionBase.prepare(migrated_dsn)


def test_a_full_snapshot_makes_an_asset_with_all_its_details(base: ActionBase) -> None:
    outcome = tell(base, FULL_SNAPSHOT)
    asset, details = asset_of(base, outcome), details_of(base, outcome)
    assert (asset["name"], asset["asset_type"], asset["serial_number"]) == ("Mail server", "server", "S1")
    assert (asset["rmm_provider"], asset["rmm_device_id"], asset["is_active"]) == ("acme-rmm", "d-1", True)
    assert asset["status"] == "active"
    same = (
        *("hostname", "display_name", "os_name", "os_version", "agent_version", "last_user", "uptime_seconds"),
        *("lan_ip", "wan_ip", "cpu_model", "cpu_cores", "ram_bytes", "software", "extension"),
    )
    assert {name: details[name] for name in same} == {name: FULL_SNAPSHOT[name] for name in same}
    assert details["status"] == "active"
    assert details["disks"] == [FULL_SNAPSHOT["disks"][0], FULL_SNAPSHOT["disks"][1] | {"free_bytes": None}]
    assert details["last_seen_at"] == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert [details[f"antivirus_{name}"] for name in FULL_SNAPSHOT["antivirus"]] == ["Guard", True, False]
    assert [details[f"patches_{name}"] for name in ("pending", "failed")] == [3, 1]
    assert details["patches_last_scan_at"] == datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert mappings(base) == [
        {"external_id": "d-1", "realm_id": "site-1", "entity_id": asset["id"], "sync_status": "synced"}
    ]
    (event,) = take_events(base)
    assert event["type"] == "asset.created"
    rmm = event["data"]["rmm"]
    assert (rmm["hostname"], rmm["software_count"], rmm["last_seen_at"]) == ("srv-01", 1, FULL_SNAPSHOT["last_seen_at"])
    assert "software" not in rmm


def test_a_later_snapshot_keeps_what_it_does_not_name_and_replaces_lists(base: ActionBase) -> None:
    first = tell(base, FULL_SNAPSHOT)
    before, asset = details_of(base, first), asset_of(base, first)
    take_events(base)
    later = tell(base, {"disks": [{"name": "E:"}], "antivirus": {"up_to_date": True}, "extension": {"site": {"x": 1}}})
    after = details_of(base, later)
    assert later.body["entity_id"] == first.body["entity_id"]
    expected = {
        "disks": [{"name": "E:", "total_bytes": None, "free_bytes": None}],
        "antivirus_up_to_date": True,
        "extension": {"tags": ["a"], "site": {"floor": 2, "x": 1}},
    }
    assert without_times(after) == without_times(before) | expected
    assert without_times(asset_of(base, later)) == without_times(asset)
    (event,) = take_events(base)
    assert event["type"] == "asset.updated"
    assert sorted(event["changes"]) == ["rmm.antivirus_up_to_date", "rmm.disks", "rmm.extension"]
    assert event["changes"]["rmm.antivirus_up_to_date"] == {"previous": False, "new": True}
    assert later.body["metadata"]["updated_fields"] == sorted(event["changes"])


def test_null_clears_members_lists_and_parts_but_not_when_it_was_last_seen(base: ActionBase) -> None:
    tell(base, FULL_SNAPSHOT)
    cleared = ("os_name", "uptime_seconds", "software", "disks", "antivirus", "patches", "extension", "last_seen_at")
    details = details_of(base, tell(base, dict.fromkeys((*cleared, "serial_number", "type"))))
    assert (details["os_name"], details["uptime_seconds"]) == (None, None)
    assert (details["software"], details["disks"], details["extension"]) == ([], [], {})
    assert [value for name, value in details.items() if name.startswith(("antivirus", "patches"))] == [None] * 6
    assert details["last_seen_at"] == datetime(2026, 3, 1, 10, tzinfo=UTC)
    (asset,) = base.rows("SELECT asset_type, serial_number FROM assets WHERE id = %s", [details["asset_id"]])
    assert asset == {"asset_type": "unknown", "serial_number": None}


def test_last_seen_never_goes_back(base: ActionBase) -> None:
    tell(base, FULL_SNAPSHOT)
    earlier = tell(base, {"last_seen_at": "2026-03-01T09:59:59Z"})
    assert (earlier.status, earlier.body["changed"]) == ("dispatched", False)
    later = tell(base, {"last_seen_at": "2026-03-01T10:00:01Z"})
    assert details_of(base, later)["last_seen_at"] == datetime(2026, 3, 1, 10, 0, 1, tzinfo=UTC)


def test_a_heartbeat_is_written_but_told_to_nobody(base: ActionBase) -> None:
    first = tell(base, FULL_SNAPSHOT)
    asset = asset_of(base, first)
    take_events(base)
    disks = [FULL_SNAPSHOT["disks"][0] | {"free_bytes": 99}, FULL_SNAPSHOT["disks"][1] | {"free_bytes": 7}]
    heartbeat = {"last_seen_at": "2026-03-01T10:05:00Z", "uptime_seconds": 86_700, "last_user": "eve", "disks": disks}
    outcome = tell(base, heartbeat)
    details = details_of(base, outcome)
    assert (details["disks"], details["last_user"], details["uptime_seconds"]) == (disks, "eve", 86_700)
    assert outcome.body["changed"]
    assert take_events(base) == []
    assert asset_of(base, outcome) == asset
    told = tell(base, heartbeat | {"last_user": "bob", "os_version": "2025"})
    assert told.status == "dispatched"
    (event,) = take_events(base)
    assert list(event["changes"]) == ["rmm.os_version"]
    assert event["data"]["rmm"]["last_user"] == "bob"


def test_the_same_snapshot_again_changes_nothing(base: ActionBase) -> None:
    first = tell(base, FULL_SNAPSHOT)
    before = (asset_of(base, first), details_of(base, first))
    take_events(base)
    again = tell(base, FULL_SNAPSHOT)
    assert (again.body["changed"], again.body["metadata"]) == (False, {"updated_fields": []})
    assert (asset_of(base, again), details_of(base, again)) == before
    assert take_events(base) == []


def test_mapped_fields_win_over_the_snapshot(base: ActionBase) -> None:
    mapped = {"name": "Mapped", "asset_type": "vm", "serial_number": "S9", "external_scope_id": "site-9"}
    asset = asset_of(base, tell(base, FULL_SNAPSHOT, **mapped))
    assert [asset[name] for name in ("name", "asset_type", "serial_number")] == ["Mapped", "vm", "S9"]
    assert mappings(base)[0]["realm_id"] == "site-9"


def test_the_name_is_the_display_name_else_the_host_name_else_the_external_id(base: ActionBase) -> None:
    assert asset_of(base, tell(base))["name"] == "d-1"
    assert asset_of(base, tell(base, {"hostname": "srv"}))["name"] == "srv"
    assert asset_of(base, tell(base, {"display_name": "Mail"}))["name"] == "Mail"
    assert asset_of(base, tell(base, {"hostname": "srv-2"}))["name"] == "Mail"
    assert asset_of(base, tell(base, {"display_name": None}))["name"] == "srv-2"
    assert asset_of(base, tell(base, {"hostname": "srv-3"}, name=None))["name"] == "srv-3"


def test_a_deleted_device_makes_its_asset_inactive_and_an_active_one_undoes_it(base: ActionBase) -> None:
    first = tell(base, FULL_SNAPSHOT)
    take_events(base)
    deleted = tell(base, {"lifecycle": "deleted"})
    assert asset_of(base, deleted)["is_active"] is False
    assert [row["sync_status"] for row in mappings(base)] == ["deleted"]
    (event,) = take_events(base)
    assert event["type"] == "asset.deactivated"
    assert event["changes"]["is_active"] == {"previous": True, "new": False}
    assert event["data"]["rmm"]["status"] == "deleted"
    assert tell(base, {"lifecycle": "deleted"}).body["changed"] is False
    active = tell(base, {"lifecycle": "active"})
    assert asset_of(base, active)["is_active"] is True
    assert active.body["entity_id"] == first.body["entity_id"]
    assert [row["sync_status"] for row in mappings(base)] == ["synced"]
    assert take_event_types(base) == ["asset.activated"]


def test_the_deletion_of_an_unknown_device_is_a_success_that_makes_nothing(base: ActionBase) -> None:
    outcome = tell(base, {"lifecycle": "deleted"}, client_id=..., client_external_id="unmapped")
    assert (outcome.status, outcome.body["entity_id"]) == ("dispatched", None)
    assert (outcome.body["created"], outcome.body["changed"]) == (False, False)
    assert base.count("assets") == 1  # the demo's own
    assert base.count("external_entity_mappings") == base.count("outbox") == 0


def test_an_offline_device_stays_in_service(base: ActionBase) -> None:
    tell(base, FULL_SNAPSHOT)
    take_events(base)
    offline = tell(base, {"lifecycle": "offline"})
    assert (asset_of(base, offline)["is_active"], details_of(base, offline)["status"]) == (True, "offline")
    (event,) = take_events(base)
    assert event["type"] == "asset.went_offline"
    assert event["changes"] == {"rmm.status": {"previous": "active", "new": "offline"}}
    assert tell(base, {"lifecycle": "offline"}).body["changed"] is False
    assert details_of(base, tell(base))["status"] == "active"  # a snapshot that does not say is of an active device
    assert take_event_types(base) == ["asset.came_online"]
    tell(base, {"lifecycle": "deleted"})
    back = tell(base, {"lifecycle": "offline", "os_version": "2025"})
    assert asset_of(base, back)["is_active"] is True
    assert take_event_types(base) == [
        *("asset.deactivated", "asset.updated", "asset.activated", "asset.went_offline"),
    ]


def test_a_snapshot_does_not_undo_what_somebody_decided(base: ActionBase) -> None:
    tell(base, FULL_SNAPSHOT)
    base.write("UPDATE assets SET is_active = false")
    assert asset_of(base, tell(base, {"lifecycle": "active"}))["is_active"] is False


def test_a_plain_asset_takes_its_first_snapshot(base: ActionBase) -> None:
    plain = upsert(base, {"location": "Rack 4"})
    take_events(base)
    outcome = tell(base, FULL_SNAPSHOT)
    assert outcome.body["entity_id"] == plain.body["entity_id"]
    assert [row["realm_id"] for row in mappings(base)] == ["site-1"]
    asset = asset_of(base, outcome)
    assert (asset["name"], asset["location"], asset["rmm_device_id"]) == ("Mail server", "Rack 4", "d-1")
    (event,) = take_events(base)
    assert event["changes"]["rmm.hostname"] == {"previous": None, "new": "srv-01"}
    assert event["changes"]["rmm.software_count"] == {"previous": 0, "new": 1}
    assert "rmm.status" not in event["changes"]


def test_a_taken_tag_that_is_linked_takes_the_snapshot(base: ActionBase) -> None:
    fields = {"rmm_snapshot": FULL_SNAPSHOT, "asset_tag": "ACME-0001"}
    linked = upsert(base, fields, options={"on_duplicate": "link"})
    assert asset_of(base, linked)["id"] == base.tenant.ids["asset"]
    assert details_of(base, linked)["hostname"] == "srv-01"
    assert [(row["realm_id"], row["sync_status"]) for row in mappings(base)] == [("site-1", "synced")]


@pytest.mark.parametrize(
    ("snapshot", "path"),
    [
        ({"disks": [{"name": "C:"}, {"name": {"label": "D:"}}]}, "disks[1].name"),
        ({"type": "WIN_SERVER"}, "type"),
        ({"last_seen_at": "yesterday"}, "last_seen_at"),
    ],
)
def test_a_wrong_member_names_its_path_and_writes_nothing(
    base: ActionBase, snapshot: dict[str, Any], path: str
) -> None:
    assert refusal_of(tell(base, snapshot)) == ("VALIDATION_ERROR", f"field_mapping.rmm_snapshot.{path}")
    assert base.count("external_entity_mappings") == base.count("outbox") == base.count("asset_rmm_details") == 0


def test_an_extension_that_grows_too_large_is_refused(base: ActionBase) -> None:
    half = "x" * (EXTENSION_BYTES_MAX // 2)
    tell(base, {"extension": {"a": half}})
    refused = tell(base, {"extension": {"b": half}})
    assert refusal_of(refused) == ("VALIDATION_ERROR", "field_mapping.rmm_snapshot.extension")
    assert list(details_of(base, tell(base, {"extension": {"a": None, "b": "y"}}))["extension"]) == ["b"]


def test_the_most_software_is_stored_and_told_as_a_count(base: ActionBase) -> None:
    software = [{"name": f"Program {number}", "version": "1" * 200} for number in range(SOFTWARE_MAX)]
    outcome = tell(base, {"software": software})
    assert len(details_of(base, outcome)["software"]) == SOFTWARE_MAX
    software[0]["version"] = "2"
    take_events(base)
    tell(base, {"software": software})
    (event,) = take_events(base)
    assert event["changes"] == {"rmm.software_count": {"previous": SOFTWARE_MAX, "new": SOFTWARE_MAX}}
    assert len(orjson.dumps(event)) < 4_000


def test_a_source_without_mapped_fields_is_ingested_by_its_device_id(base: ActionBase) -> None:
    def handle(context: ActionContext, values: Any) -> ActionResult:
        del values
        return ingest_device_snapshot(context, parse_device_snapshot(FULL_SNAPSHOT), {"client_id": "Acme Ltd"})

    definition = replace(UPSERT_ASSET, handle=handle)
    registry = ActionRegistry([RegisteredAction(definition, "test", compile_coercer(definition))])
    request = base.request({"title": ..., "client_id": ..., "external_id": "any"}, action=definition.name)
    (outcome,) = base.run(request, registry=registry)
    assert outcome.body["external_id"] == "d-1"
    assert (mappings(base)[0]["external_id"], mappings(base)[0]["realm_id"]) == ("d-1", "site-1")


def test_a_raw_payload_becomes_a_snapshot_by_the_documented_expression(base: ActionBase) -> None:
    limits = Limits(timeout_seconds=10.0, depth_max=200, result_bytes_max=1_048_576)
    mapping = {"external_id": "device.id", "client_id": "'Acme Ltd'", "rmm_snapshot": documented("jsonata")}
    payload = {
        "device": {
            **{"id": 8812, "hostname": "FRONTDESK-07", "class": "WIN_DESKTOP", "seen": 1_772_359_200, "online": True},
            **{"volumes": [{"name": "C:", "capacity": 500, "free": 100}], "tags": ["lobby"]},
        },
        "organization": {"id": 17},
    }
    compiled = FieldMapping(mapping, engine="jlens", limits=limits)
    mapped = orjson.loads(compiled.evaluate(orjson.dumps(payload).decode(), None, now_ms=0, seed=0))
    outcome = upsert(base, compile_coercer(UPSERT_ASSET).coerce(mapped).fields)
    details = details_of(base, outcome)
    assert details["disks"] == [{"name": "C:", "total_bytes": 500, "free_bytes": 100}]
    assert (details["status"], details["extension"]) == ("active", {"tags": ["lobby"]})
    assert details["last_seen_at"] == datetime(2026, 3, 1, 10, tzinfo=UTC)
    asset = asset_of(base, outcome)
    assert (asset["name"], asset["asset_type"], asset["rmm_device_id"]) == ("FRONTDESK-07", "workstation", "8812")
    assert UUID(outcome.body["entity_id"]) == asset["id"]
    assert mappings(base)[0]["realm_id"] == "17"
