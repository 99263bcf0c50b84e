"""One machine as six senders tell of it, from their samples through request plan and action to assets in Postgres."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from sinks.actions.execution import Outcome
from tests.support.actions import ActionBase, add_mapping
from tests.support.assets import ACTION, asset_of, details_of, mappings, take_event_types, without_times
from tests.support.devices import CLIENT, MACHINE, SENDERS, machine_of, snapshot_of
from tests.support.presets import PRESETS, device_fields

HANDWRITTEN = UUID(int=9 << 96)
WEBHOOKS = {sender: UUID(int=number << 96) for number, sender in enumerate(SENDERS, 1)}
PARTS = ("antivirus", "patches")
FLAT = (
    *("antivirus_name", "antivirus_enabled", "antivirus_up_to_date"),
    *("patches_pending", "patches_failed", "patches_last_scan_at"),
)
WHOSE = ("id", "asset_id", "rmm_provider", "rmm_device_id", "extension", "created_at")


@pytest.fixture
def base(migrated_dsn: str) -> ActionBase:
    base = ActionBase.prepare(migrated_dsn)
    for webhook_id in (HANDWRITTEN, *WEBHOOKS.values()):
        base.register(webhook_id)
    return base


def told(base: ActionBase, webhook_id: UUID, fields: dict[str, Any]) -> dict[str, Any]:
    return base.request(
        {"title": ..., "client_id": ...} | fields, action=ACTION, webhook_id=str(webhook_id), webhook_slug="devices"
    )


def described(base: ActionBase, outcome: Outcome) -> dict[str, Any]:
    """Asset and details of a command, but for whose they are: what is the same for one machine."""
    rows = without_times(asset_of(base, outcome)) | without_times(details_of(base, outcome))
    return {name: value for name, value in rows.items() if name not in WHOSE}


def expected(base: ActionBase, sender: str) -> dict[str, Any]:
    """What `described` is of the machine as the sender tells of it."""
    machine: dict[str, Any] = dict.fromkeys(("display_name", "agent_version", "uptime_seconds", *MACHINE)) | machine_of(
        sender
    )
    parts = {part: machine.pop(part, {}) for part in PARTS}
    flat = {f"{part}_{name}": value for part, members in parts.items() for name, value in members.items()}
    lifecycle, asset_type = machine.pop("lifecycle") or "active", machine.pop("type")
    return (
        dict.fromkeys(FLAT)
        | machine
        | flat
        | {
            "tenant_id": base.tenant.tenant_id,
            "client_id": base.tenant.ids["client"],
            "name": machine["display_name"] or machine["hostname"],
            "asset_type": asset_type,
            "asset_tag": None,
            "location": None,
            "is_active": True,
            "status": lifecycle,
            "last_seen_at": datetime.fromisoformat(machine["last_seen_at"]),
            "disks": machine["disks"] or [],
            "software": [],
        }
    )


def test_six_senders_that_tell_of_one_machine_make_six_assets_that_are_alike(base: ActionBase) -> None:
    requests = [told(base, WEBHOOKS[each], device_fields(PRESETS[each], {"client": CLIENT})) for each in SENDERS]
    outcomes = dict(zip(SENDERS, base.run(*requests), strict=True))
    assert len({outcome.body["entity_id"] for outcome in outcomes.values()}) == len(SENDERS)
    for sender, outcome in outcomes.items():
        assert described(base, outcome) == expected(base, sender), sender
        snapshot, asset = snapshot_of(sender), asset_of(base, outcome)
        assert (asset["rmm_provider"], asset["rmm_device_id"]) == (sender, snapshot["device_id"])
        assert details_of(base, outcome)["extension"] == snapshot["extension"]
    assert take_event_types(base) == ["asset.created"] * len(SENDERS)


def test_the_same_snapshot_by_a_mapping_of_ones_own_is_the_same_asset(base: ActionBase) -> None:
    by_preset, by_hand = [], []
    for sender in SENDERS:
        fields = device_fields(PRESETS[sender], {"client": CLIENT})
        own = {"external_id": f"own {sender}", "client_id": CLIENT, "rmm_snapshot": snapshot_of(sender)}
        by_preset.append(told(base, WEBHOOKS[sender], fields))
        by_hand.append(told(base, HANDWRITTEN, own))
    firsts = base.run(*by_preset)
    before = [described(base, outcome) for outcome in firsts]
    take_event_types(base)
    again = base.run(*by_hand)
    assert [outcome.body["entity_id"] for outcome in again] == [outcome.body["entity_id"] for outcome in firsts]
    assert {tuple(outcome.body["metadata"]["updated_fields"]) for outcome in again} == {()}
    assert [described(base, outcome) for outcome in again] == before
    assert take_event_types(base) == []


def test_the_scope_of_a_preset_finds_its_client_by_a_mapping_too(base: ActionBase) -> None:
    base.webhook_id = WEBHOOKS["ninjaone"]
    fields = device_fields(PRESETS["ninjaone"], {})
    add_mapping(base, "client", fields["rmm_snapshot"]["scope_id"], base.tenant.ids["client"])
    (outcome,) = base.run(told(base, WEBHOOKS["ninjaone"], fields))
    assert asset_of(base, outcome)["client_id"] == base.tenant.ids["client"]
    assert [(row["external_id"], row["realm_id"]) for row in mappings(base)] == [("100", "2")]
