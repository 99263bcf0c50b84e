"""One fictitious machine, as the samples of devices in presets/ describe it in the words of each sender."""

from __future__ import annotations

from typing import Any

from sinks.actions.assets.snapshot import parse_device_snapshot
from tests.support.presets import PRESETS, device_fields

CLIENT = "Acme Ltd"
MEBIBYTE = 1_048_576
#: What every sender has its own value of: who it is, its ids, and what has no member of a snapshot.
OWN = frozenset({"provider", "device_id", "scope_id", "extension"})
MACHINE: dict[str, Any] = {
    "hostname": "ACME-SRV-01",
    "display_name": "Mail server",
    "type": "server",
    "serial_number": "J7K2L93",
    "lifecycle": "active",
    "os_name": "Windows Server 2022 Standard",
    "os_version": "21H2",
    "last_seen_at": "2026-03-01T10:00:00Z",
    "last_user": "ACME\\bob",
    "lan_ip": "10.20.0.11",
    "wan_ip": "203.0.113.7",
    "cpu_model": "Intel(R) Xeon(R) Silver 4310 CPU @ 2.10GHz",
    "cpu_cores": 12,
    "ram_bytes": 32_768 * MEBIBYTE,
    "disks": [
        {"name": "C:", "total_bytes": 487_424 * MEBIBYTE, "free_bytes": 30_720 * MEBIBYTE},
        {"name": "D:", "total_bytes": 953_344 * MEBIBYTE, "free_bytes": 524_288 * MEBIBYTE},
    ],
}
#: Members of the machine that a sender does not tell.
NOT_SENT: dict[str, frozenset[str]] = {
    "ninjaone": frozenset(),
    "atera": frozenset(),
    "datto-rmm": frozenset({"display_name"}),
    "level": frozenset({"wan_ip"}),
    "tactical-rmm": frozenset({"display_name", "cpu_cores"}),
    "syncro": frozenset({"display_name", "lifecycle", "cpu_model", "cpu_cores", "ram_bytes", "disks"}),
}
#: Members that only this sender tells, or that it has another measure for.
OWN_WORDS: dict[str, dict[str, Any]] = {
    "datto-rmm": {
        "os_version": "10.0.20348",
        "agent_version": "11965",
        "antivirus": {"name": "Datto AV", "enabled": True, "up_to_date": True},
        "patches": {"pending": 3},
    },
    "level": {"os_version": "10.20348", "antivirus": {"name": "Datto AV"}},
    "tactical-rmm": {"agent_version": "2.9.0"},
}
SENDERS = tuple(NOT_SENT)


def machine_of(sender: str) -> dict[str, Any]:
    """The machine as a sender tells of it, in the words of snapshots."""
    told = {name: value for name, value in MACHINE.items() if name not in NOT_SENT[sender]}
    return told | OWN_WORDS.get(sender, {})


def snapshot_of(sender: str) -> dict[str, Any]:
    """The snapshot that a preset makes of its sample, as the sink reads it."""
    return parsed_members(device_fields(PRESETS[sender], {"client": CLIENT})["rmm_snapshot"])


def parsed_members(raw: dict[str, Any]) -> dict[str, Any]:
    """The members of a snapshot that are there, as values of one form."""
    return parse_device_snapshot(raw).model_dump(mode="json", exclude_unset=True)
