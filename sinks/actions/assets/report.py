"""What one command tells of an asset: mapped fields, a device snapshot, or both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sinks.actions.assets.snapshot import (
    DEFAULT_PROVIDER,
    FIELD,
    DeviceSnapshot,
    Lifecycle,
    is_device_snapshot,
    parse_device_snapshot,
)
from sinks.actions.choice import invalid

DEFAULT_SCOPE = "default"
SNAPSHOT_NOT_NORMALIZED = "snapshot_not_normalized"


class Device(NamedTuple):
    """A device as its monitoring system knows it."""

    provider: str
    device_id: str


@dataclass(frozen=True, slots=True)
class AssetReport:
    """One command's word on an asset. `values`: the mapped fields. `scope`: realm of the external id, None: plain."""

    external_id: str
    values: Mapping[str, Any]
    scope: str | None
    snapshot: DeviceSnapshot | None = None
    warnings: tuple[str, ...] = ()

    @property
    def asset_tag(self) -> str | None:
        """The tag that is to be on the asset, if one is mapped."""
        tag: str | None = self.values.get("asset_tag")
        return tag

    @property
    def serial_number(self) -> str | None:
        """The serial number that is told: the mapped one, else the snapshot's."""
        mapped: str | None = self.values.get("serial_number")
        return mapped or (None if self.snapshot is None else self.snapshot.serial_number)

    @property
    def device(self) -> Device | None:
        """The device, where its id means the same to every webhook: its provider must be named for that."""
        snapshot = self.snapshot
        if snapshot is None or snapshot.provider in (None, DEFAULT_PROVIDER):
            return None
        return Device(str(snapshot.provider), snapshot.device_id or self.external_id)

    @property
    def is_deletion(self) -> bool:
        """Whether the device is gone."""
        return self.snapshot is not None and self.snapshot.state is Lifecycle.DELETED

    @property
    def sync_status(self) -> str | None:
        """What becomes of the mapping's; None: it stays."""
        if self.snapshot is None:
            return None
        return "deleted" if self.is_deletion else "synced"


def report_of(values: Mapping[str, Any]) -> AssetReport:
    """The report of a command's fields. Raises ActionError."""
    raw = values.get(FIELD)
    if raw is None and FIELD in values:
        raise invalid(FIELD, f"{FIELD} must be an object, but is null")
    if raw is not None and is_device_snapshot(raw):
        return report_of_snapshot(parse_device_snapshot(raw), values)
    warnings = () if raw is None else (SNAPSHOT_NOT_NORMALIZED,)
    return AssetReport(values["external_id"], values, values.get("external_scope_id"), warnings=warnings)


def report_of_snapshot(snapshot: DeviceSnapshot, overrides: Mapping[str, Any]) -> AssetReport:
    """The report of a snapshot with fields that win over it. Raises ActionError when nothing names the device."""
    external_id = overrides.get("external_id") or snapshot.device_id
    if external_id is None:
        raise invalid("external_id", "external_id: a snapshot without device_id needs one")
    scope = overrides.get("external_scope_id") or snapshot.scope_id or DEFAULT_SCOPE
    return AssetReport(external_id, overrides, scope, snapshot)
