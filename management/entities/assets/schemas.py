"""Assets as the API takes and shows them."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from management.entities.schemas import EntityFilter, EntityShown, MappedInput, Name, Search, ShortText, Time
from management.patching import PatchInput


class AssetFilter(EntityFilter):
    """Which assets a list shows; the time window is of `created_at`: since ≤ t < until."""

    search: Search = Field(default="", description="part of a name, an asset tag or a serial number")
    client_id: UUID | None = None
    asset_type: ShortText | None = None
    is_active: bool | None = None


class Disk(BaseModel):
    """A disk of a device."""

    name: str
    total_bytes: int | None
    free_bytes: int | None


class Software(BaseModel):
    """A program on a device."""

    name: str
    version: str | None
    publisher: str | None
    installed_at: str | None


class Rmm(BaseModel):
    """What device snapshots told of an asset; only they change it."""

    status: Literal["active", "offline", "deleted"]
    hostname: str | None
    display_name: str | None
    os_name: str | None
    os_version: str | None
    agent_version: str | None
    last_seen_at: Time | None
    last_user: str | None
    uptime_seconds: int | None
    lan_ip: str | None
    wan_ip: str | None
    cpu_model: str | None
    cpu_cores: int | None
    ram_bytes: int | None
    disks: list[Disk]
    antivirus_name: str | None
    antivirus_enabled: bool | None
    antivirus_up_to_date: bool | None
    patches_pending: int | None
    patches_failed: int | None
    patches_last_scan_at: Time | None
    extension: dict[str, Any] = Field(description="raw JSON of the source")
    software_count: int
    software: list[Software] | None = Field(description="null in lists")


class Asset(EntityShown):
    """Something that a client has."""

    client_id: UUID
    asset_type: str
    name: str
    asset_tag: str | None
    serial_number: str | None
    status: str
    location: str | None
    is_active: bool
    rmm_provider: str | None
    rmm_device_id: str | None
    rmm: Rmm | None = Field(description="null: no device snapshot has told of it")


class AssetCreateInput(MappedInput):
    """A new asset of a client."""

    client_id: UUID
    asset_type: ShortText = "unknown"
    name: Name
    asset_tag: ShortText | None = Field(default=None, description="unique in the tenant, in any case of its letters")
    serial_number: ShortText | None = None
    status: ShortText = "active"
    location: ShortText | None = None
    is_active: bool = True
    rmm_provider: ShortText | None = Field(default=None, description="the monitoring system that knows it as a device")
    rmm_device_id: ShortText | None = Field(default=None, description="the provider's id of the device")


class AssetUpdateInput(PatchInput):
    """What to change of an asset; another `client_id` gives it another owner."""

    client_id: UUID = UUID(int=0)
    asset_type: ShortText = ""
    name: Name = ""
    asset_tag: ShortText | None = None
    serial_number: ShortText | None = None
    status: ShortText = ""
    location: ShortText | None = None
    is_active: bool = True
    rmm_provider: ShortText | None = None
    rmm_device_id: ShortText | None = None
