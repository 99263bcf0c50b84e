"""Devices of senders: one machine in six senders' words is one snapshot; a preset that is added is tested as well."""

import json
from typing import Any

import pytest

from infra.settings import ProcessorSettings
from management.inbound_webhooks.rules.expressions import ExpressionRules
from management.inbound_webhooks.rules.handler import check_handler
from management.inbound_webhooks.rules.problems import Problems
from management.inbound_webhooks.rules.replay_guard import check_replay_guard
from schemas.presets import Preset
from tests.support.devices import CLIENT, OWN, SENDERS, machine_of, parsed_members, snapshot_of
from tests.support.presets import ACTIONS, PRESETS, device_fields

WITH_DEVICES = {name: preset for name, preset in PRESETS.items() if preset.devices is not None}
BY_PRESET = pytest.mark.parametrize("preset", WITH_DEVICES.values(), ids=WITH_DEVICES)


def test_every_sender_with_devices_describes_the_machine() -> None:
    assert sorted(WITH_DEVICES) == sorted(SENDERS)


@pytest.mark.parametrize("sender", SENDERS)
def test_the_machine_is_the_same_snapshot_in_every_senders_words(sender: str) -> None:
    snapshot = snapshot_of(sender)
    assert {name: value for name, value in snapshot.items() if name not in OWN} == parsed_members(machine_of(sender))
    assert snapshot["provider"] == sender
    assert all(snapshot[name] for name in OWN)


@BY_PRESET
def test_management_takes_the_handler_and_the_dedupe_key_of_devices(preset: Preset) -> None:
    assert preset.devices is not None
    problems, handler = Problems(), preset.devices.handler.model_dump(exclude_none=True)
    check_handler("direct_action", handler, ACTIONS, ExpressionRules(ProcessorSettings()), problems)
    source = preset.devices.idempotency_source
    members = {"auth_type": "preset", "auth_config": {"type": "preset", "preset": preset.name}}
    source_members = {"idempotency_source": None if source is None else source.model_dump()}
    check_replay_guard(members | source_members, PRESETS, problems)
    assert problems.found == []


@BY_PRESET
def test_a_device_is_known_by_its_id_and_its_customer_by_metadata(preset: Preset) -> None:
    fields = device_fields(preset, {"client": CLIENT})
    snapshot = fields["rmm_snapshot"]
    assert (fields["external_id"], fields["client_id"]) == (snapshot["device_id"], CLIENT)
    assert device_fields(preset, {snapshot["scope_id"]: "Contoso", "client": CLIENT})["client_id"] == "Contoso"
    assert "client_id" not in device_fields(preset, {})


@BY_PRESET
def test_a_device_of_which_little_is_known_is_a_snapshot_all_the_same(preset: Preset) -> None:
    known = device_fields(preset, {"client": CLIENT})
    raw = json.loads(preset.devices.sample.body) if preset.devices else {}
    for little in (_only(raw, known["external_id"]), _blanked(raw, known["external_id"])):
        fields = device_fields(preset, {"client": CLIENT}, json.dumps(little))
        assert fields["external_id"] == known["external_id"]
        snapshot = parsed_members(fields["rmm_snapshot"])
        assert (snapshot["device_id"], snapshot.get("disks", [])) == (known["external_id"], [])
        assert snapshot.get("lifecycle", "active") == "active"


def _only(value: Any, device_id: str) -> Any:
    """The body without anything but the device's id."""
    if isinstance(value, dict):
        kept = {name: _only(member, device_id) for name, member in value.items()}
        return {name: member for name, member in kept.items() if member not in (None, {}, [])}
    if isinstance(value, list):
        return None
    return value if str(value) == device_id else None


def _blanked(value: Any, device_id: str) -> Any:
    """The body with null for every value but the device's id."""
    if isinstance(value, dict):
        return {name: _blanked(member, device_id) for name, member in value.items()}
    if isinstance(value, list):
        return [_blanked(item, device_id) for item in value]
    return value if str(value) == device_id else None
