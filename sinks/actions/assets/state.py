"""An asset before and after a report: pure. Absent = untouched, null = cleared, mapped fields over the snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.entities.documents import json_value
from infra.merge_patch import merge_patch
from schemas.encoding import record_bytes
from sinks.actions.assets.fields import PLAIN_FIELDS
from sinks.actions.assets.report import AssetReport, Device
from sinks.actions.assets.snapshot import DEFAULT_PROVIDER, EXTENSION_BYTES_MAX, FIELD, DeviceSnapshot, Lifecycle
from sinks.actions.choice import invalid

Row = dict[str, Any]

_SCALARS = (
    *("hostname", "display_name", "os_name", "os_version", "agent_version", "last_user", "uptime_seconds", "lan_ip"),
    *("wan_ip", "cpu_model", "cpu_cores", "ram_bytes"),
)
_PARTS: Mapping[str, tuple[str, ...]] = {
    "antivirus": ("name", "enabled", "up_to_date"),
    "patches": ("pending", "failed", "last_scan_at"),
}
LISTS = ("disks", "software")
_NO_DETAILS: Row = {
    **dict.fromkeys(("status", *_SCALARS, "last_seen_at")),
    **{f"{part}_{member}": None for part, members in _PARTS.items() for member in members},
    **{"disks": [], "software": [], "extension": {}},
}
#: Members of the details whose changes are written and told to nobody: they differ at every report of a device.
QUIET = frozenset({"rmm.last_seen_at", "rmm.uptime_seconds", "rmm.last_user"})
RMM = "rmm."


@dataclass(frozen=True, slots=True)
class AssetState:
    """Columns of an asset, and of its device details if a snapshot has ever told of it."""

    asset: Row
    details: Row | None

    @property
    def device(self) -> Device | None:
        """The device it is, as far as a snapshot has ever told."""
        device_id = self.asset["rmm_device_id"]
        return None if device_id is None else Device(self.asset["rmm_provider"], device_id)

    def document(self) -> Row:
        """The asset as domain events show it. Of software only how much: thousands of entries make no event."""
        rmm = None
        if self.details is not None:
            rmm = {name: json_value(value) for name, value in self.details.items() if name != "software"}
            rmm["software_count"] = len(self.details["software"])
        return {name: json_value(value) for name, value in self.asset.items()} | {"rmm": rmm}


def state_after(before: AssetState, report: AssetReport) -> AssetState:
    """The state a report leads to; times of the row stay. Raises ActionError for an extension that grows too large."""
    details = before.details if report.snapshot is None else _details_after(before.details, report.snapshot)
    asset = dict(before.asset)
    defaults = {"asset_type": "unknown", "name": report.external_id, "status": "active"}
    if report.snapshot is not None and details is not None:
        told = _asset_of_snapshot(before, report.snapshot, details, report.external_id)
        asset |= told
        defaults |= {name: told[name] for name in ("name", "asset_type") if name in told}
    for name in PLAIN_FIELDS:
        if name in report.values:
            value = report.values[name]
            asset[name] = defaults.get(name) if value is None else value
    return AssetState(asset, details)


def changes_between(before: AssetState, after: AssetState) -> Row:
    """`{member: {previous, new}}` of everything that differs; details as `rmm.NAME`, software by its count."""
    previous = before.details or _NO_DETAILS
    changes = {name: _change(before.asset[name], new) for name, new in after.asset.items() if before.asset[name] != new}
    for name, new in (after.details or previous).items():
        if previous[name] != new:
            is_software = name == "software"
            change = _change(len(previous[name]), len(new)) if is_software else _change(previous[name], new)
            changes[f"{RMM}software_count" if is_software else f"{RMM}{name}"] = change
    return changes


def told_changes(changes: Mapping[str, Any]) -> Row:
    """The changes that are worth an event."""
    return {
        name: change
        for name, change in changes.items()
        if name not in QUIET
        and not (name == f"{RMM}disks" and _without_free(change["previous"]) == _without_free(change["new"]))
    }


def _change(previous: Any, new: Any) -> Row:
    return {"previous": json_value(previous), "new": json_value(new)}


def _without_free(disks: list[Row]) -> list[Row]:
    return [{name: value for name, value in disk.items() if name != "free_bytes"} for disk in disks]


def _asset_of_snapshot(before: AssetState, snapshot: DeviceSnapshot, details: Row, external_id: str) -> Row:
    """Columns of the asset that a snapshot tells; `details` have taken it in already."""
    given = snapshot.model_fields_set
    told: Row = {}
    name = details["display_name"] or details["hostname"]
    if given & {"display_name", "hostname"} and name is not None:
        told["name"] = name
    if "type" in given:
        told["asset_type"] = str(snapshot.type or "unknown")
    if "serial_number" in given:
        told["serial_number"] = snapshot.serial_number
    if snapshot.provider is not None or before.asset["rmm_provider"] is None:
        told["rmm_provider"] = snapshot.provider or DEFAULT_PROVIDER
    if snapshot.device_id is not None or before.asset["rmm_device_id"] is None:
        told["rmm_device_id"] = snapshot.device_id or external_id
    if snapshot.state is Lifecycle.DELETED:
        told["is_active"] = False
    elif before.details is not None and before.details["status"] == Lifecycle.DELETED:
        told["is_active"] = True  # a snapshot undoes what a snapshot did, never what somebody decided
    return told


def _details_after(before: Row | None, snapshot: DeviceSnapshot) -> Row:
    after = dict(_NO_DETAILS if before is None else before)
    given = snapshot.model_fields_set
    after["status"] = str(snapshot.state)
    after |= {name: getattr(snapshot, name) for name in _SCALARS if name in given}
    for part, members in _PARTS.items():
        if part in given:
            value = getattr(snapshot, part)
            told = members if value is None else value.model_fields_set
            after |= {f"{part}_{member}": None if value is None else getattr(value, member) for member in told}
    for name in LISTS:
        if name in given:
            after[name] = [entry.model_dump(mode="json") for entry in getattr(snapshot, name) or ()]
    seen, known = snapshot.last_seen_at, after["last_seen_at"]
    if seen is not None and (known is None or seen > known):
        after["last_seen_at"] = seen
    if "extension" in given:
        after["extension"] = _extension_after(after["extension"], snapshot.extension)
    return after


def _extension_after(before: Row, patch: Row | None) -> Row:
    if patch is None:
        return {}
    merged: Row = merge_patch(before, patch)
    if len(record_bytes(merged)) > EXTENSION_BYTES_MAX:
        field = f"{FIELD}.extension"
        raise invalid(field, f"{field} would be larger than {EXTENSION_BYTES_MAX} bytes after the merge")
    return merged
