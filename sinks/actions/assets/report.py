"""What one command tells of an asset: mapped fields, a device snapshot, or both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sinks.actions.assets.snapshot import DEFAULT_PROVIDER, DeviceSnapshot


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
