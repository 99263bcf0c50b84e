"""A device snapshot is parsed once: every wrong member has its path, what no model knows moves to the extension."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.actions import ActionError
from sinks.actions.assets.snapshot import (
    DISKS_MAX,
    EXTENSION_BYTES_MAX,
    SOFTWARE_MAX,
    Lifecycle,
    is_device_snapshot,
    parse_device_snapshot,
)


def refusal(raw: dict[str, Any]) -> tuple[str | None, str]:
    with pytest.raises(ActionError) as caught:
        parse_device_snapshot({"device_id": "1"} | raw)
    assert caught.value.code == "VALIDATION_ERROR"
    return caught.value.path, caught.value.message


@pytest.mark.parametrize("name", ["device_id", "hostname", "display_name"])
def test_an_object_that_names_its_device_is_a_snapshot(name: str) -> None:
    assert is_device_snapshot({name: "x", "anything": 1})
    assert not is_device_snapshot({name: None, "device": {name: "x"}})


def test_members_are_taken_as_target_fields_take_them() -> None:
    snapshot = parse_device_snapshot(
        {
            "device_id": 8812,
            "hostname": "  srv-01 ",
            "display_name": " ",
            "ram_bytes": 8.0e9,
            "cpu_cores": "8",
            "antivirus": {"enabled": "true"},
            "last_seen_at": "2026-03-01T10:00:00+01:00",
            "last_user": None,
        }
    )
    assert (snapshot.device_id, snapshot.hostname, snapshot.display_name) == ("8812", "srv-01", None)
    assert (snapshot.ram_bytes, snapshot.cpu_cores) == (8_000_000_000, 8)
    assert snapshot.antivirus is not None
    assert (snapshot.antivirus.enabled, snapshot.antivirus.model_fields_set) == (True, {"enabled"})
    assert snapshot.last_seen_at == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert {"last_user", "display_name"} <= snapshot.model_fields_set
    assert "os_name" not in snapshot.model_fields_set
    assert snapshot.state is Lifecycle.ACTIVE


@pytest.mark.parametrize(
    ("raw", "path", "cause"),
    [
        ({"disks": [{"name": "C:"}, {"total_bytes": 1}]}, "disks[1].name", "is missing"),
        ({"disks": [{"name": {}}]}, "disks[0].name", "must be a string"),
        ({"disks": [{"name": None}]}, "disks[0].name", "must not be null"),
        ({"disks": [{"name": " "}]}, "disks[0].name", "blank"),
        ({"disks": [{"name": "C:", "free_bytes": -1}]}, "disks[0].free_bytes", "must be at least 0"),
        ({"disks": {"name": "C:"}}, "disks", "must be an array"),
        ({"disks": ["C:"]}, "disks[0]", "must be an object"),
        ({"disks": [{"name": "C:"}] * (DISKS_MAX + 1)}, "disks", f"more than {DISKS_MAX} entries"),
        ({"software": [{"name": "x"}] * (SOFTWARE_MAX + 1)}, "software", f"more than {SOFTWARE_MAX} entries"),
        ({"software": [{"name": "x", "installed_at": "2026"}]}, "software[0].installed_at", "with an offset"),
        ({"hostname": ["x"]}, "hostname", "must be a string"),
        ({"hostname": "x" * 256}, "hostname", "longer than 255"),
        ({"hostname": "a\u0000"}, "hostname", "U+0000"),
        ({"type": "laptop"}, "type", "must be one of workstation"),
        ({"lifecycle": "Active"}, "lifecycle", "must be one of active"),
        ({"uptime_seconds": 1.5}, "uptime_seconds", "must be an integer"),
        ({"cpu_cores": True}, "cpu_cores", "boolean"),
        ({"ram_bytes": 2**63}, "ram_bytes", "64 bits"),
        ({"last_seen_at": 1750849543}, "last_seen_at", "with an offset"),
        ({"antivirus": "on"}, "antivirus", "must be an object"),
        ({"antivirus": {"up_to_date": "yes"}}, "antivirus.up_to_date", "true or false"),
        ({"patches": {"pending": -1}}, "patches.pending", "must be at least 0"),
        ({"extension": []}, "extension", "must be an object"),
        ({"extension": {"x": "y" * EXTENSION_BYTES_MAX}}, "extension", f"larger than {EXTENSION_BYTES_MAX}"),
        ({"stray": "y" * EXTENSION_BYTES_MAX}, "extension", f"larger than {EXTENSION_BYTES_MAX}"),
    ],
)
def test_a_wrong_member_is_refused_by_its_path(raw: dict[str, Any], path: str, cause: str) -> None:
    found, message = refusal(raw)
    assert found == f"field_mapping.rmm_snapshot.{path}"
    assert message.startswith(f"rmm_snapshot.{path} ")
    assert cause in message


def test_the_message_names_every_wrong_member_up_to_a_bound() -> None:
    _, message = refusal({"type": "x", "cpu_cores": "x", "disks": [{}]})
    assert [part.split()[0] for part in message.split("; ")] == [
        "rmm_snapshot.type",
        "rmm_snapshot.cpu_cores",
        "rmm_snapshot.disks[0].name",
    ]
    _, many = refusal({"disks": [{}] * 12})
    assert many.endswith("; and 2 more")


def test_unknown_members_move_to_the_extension_below_the_part_they_stood_in() -> None:
    snapshot = parse_device_snapshot(
        {
            "device_id": "1",
            "site": {"city": "Oslo"},
            "antivirus": {"name": "Guard", "vendor": "Acme"},
            "disks": [{"name": "C:", "mount": "/"}, {"name": "D:"}],
            "software": [{"name": "x"}],
            "extension": {"site": {"floor": 2}, "tags": ["a"]},
        }
    )
    assert snapshot.extension == {
        "site": {"city": "Oslo", "floor": 2},
        "antivirus": {"vendor": "Acme"},
        "disks": [{"name": "C:", "mount": "/"}],
        "tags": ["a"],
    }
    assert snapshot.disks is not None
    assert [disk.name for disk in snapshot.disks] == ["C:", "D:"]
    assert "extension" not in parse_device_snapshot({"device_id": "1"}).model_fields_set


def test_a_snapshot_cannot_be_changed() -> None:
    snapshot = parse_device_snapshot({"device_id": "1"})
    with pytest.raises(ValueError, match="frozen"):
        snapshot.device_id = "2"  # type: ignore[misc]
