"""The device snapshot: what a monitoring system (RMM) tells of one device, parsed once into a frozen model.

A member that is absent is not in `model_fields_set`; one that is null or blank is there as None. Values are taken as
target fields take them: numbers for text, decimal text for integers, times with an offset.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from infra.actions.core.conversion import ValueRefused, converter_of
from infra.merge_patch import merge_patch
from schemas.actions import ActionError, FieldType, TargetField
from schemas.records import ErrorCode

FIELD = "rmm_snapshot"
EXTENSION_BYTES_MAX = 262_144
DISKS_MAX = 256
SOFTWARE_MAX = 2_000
PROBLEMS_SHOWN_MAX = 10
DEFAULT_PROVIDER = "webhook"


class Lifecycle(StrEnum):
    """Where a device stands in the monitoring system."""

    ACTIVE = "active"
    OFFLINE = "offline"
    DELETED = "deleted"


class DeviceType(StrEnum):
    """What a device is."""

    WORKSTATION = "workstation"
    SERVER = "server"
    NETWORK_DEVICE = "network_device"
    MOBILE_DEVICE = "mobile_device"
    UNKNOWN = "unknown"


def _taken_as(kind: FieldType, **declaration: Any) -> BeforeValidator:
    convert = converter_of(TargetField(name=FIELD, type=kind, description=FIELD, **declaration))

    def validate(value: Any) -> Any:
        if value is None:
            return None
        try:
            return convert(value)
        except ValueRefused as refusal:
            raise PydanticCustomError("refused", "{cause}", {"cause": str(refusal)}) from None

    return BeforeValidator(validate)


def _list_of(items_max: int) -> BeforeValidator:
    def validate(value: Any) -> Any:
        if value is not None and not isinstance(value, list):
            raise PydanticCustomError("refused", "must be an array")
        if value is not None and len(value) > items_max:
            cause = f"has more than {items_max} entries ({len(value)})"
            raise PydanticCustomError("refused", "{cause}", {"cause": cause})
        return value

    return BeforeValidator(validate)


def _not_null(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError("refused", "must not be null")
    return value


Text = Annotated[str | None, _taken_as(FieldType.STRING)]
Name = Annotated[str, _taken_as(FieldType.STRING, required=True), BeforeValidator(_not_null)]
Whole = Annotated[int | None, _taken_as(FieldType.INT, minimum=0)]
Flag = Annotated[bool | None, _taken_as(FieldType.BOOLEAN)]
Moment = Annotated[datetime | None, _taken_as(FieldType.DATETIME)]
Extension = Annotated[
    dict[str, Any] | None, _taken_as(FieldType.JSON, max_length=EXTENSION_BYTES_MAX, json_object=True)
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Disk(_Part):
    """One volume."""

    name: Name
    total_bytes: Whole = None
    free_bytes: Whole = None


class Antivirus(_Part):
    """The protection that runs on it."""

    name: Text = None
    enabled: Flag = None
    up_to_date: Flag = None


class Patches(_Part):
    """How many updates wait or failed, and when that was last looked at."""

    pending: Whole = None
    failed: Whole = None
    last_scan_at: Moment = None


class Software(_Part):
    """One installed program."""

    name: Name
    version: Text = None
    publisher: Text = None
    installed_at: Moment = None


class DeviceSnapshot(_Part):
    """One device. `device_id` None: the external id. `extension`: raw JSON, unknown members of the source included."""

    device_id: Text = None
    provider: Text = None
    scope_id: Text = None
    hostname: Text = None
    display_name: Text = None
    type: Annotated[DeviceType | None, _taken_as(FieldType.ENUM, enum_values=tuple(DeviceType))] = None
    serial_number: Text = None
    lifecycle: Annotated[Lifecycle | None, _taken_as(FieldType.ENUM, enum_values=tuple(Lifecycle))] = None
    os_name: Text = None
    os_version: Text = None
    agent_version: Text = None
    last_seen_at: Moment = None
    last_user: Text = None
    uptime_seconds: Whole = None
    lan_ip: Text = None
    wan_ip: Text = None
    cpu_model: Text = None
    cpu_cores: Whole = None
    ram_bytes: Whole = None
    disks: Annotated[tuple[Disk, ...] | None, _list_of(DISKS_MAX)] = None
    antivirus: Antivirus | None = None
    patches: Patches | None = None
    software: Annotated[tuple[Software, ...] | None, _list_of(SOFTWARE_MAX)] = None
    extension: Extension = None

    @property
    def state(self) -> Lifecycle:
        """The lifecycle, which is active unless it says otherwise."""
        return self.lifecycle or Lifecycle.ACTIVE


_PARTS: Mapping[str, type[_Part]] = {"disks": Disk, "antivirus": Antivirus, "patches": Patches, "software": Software}
_MODELS: tuple[type[_Part], ...] = (DeviceSnapshot, *_PARTS.values())
_MEMBERS = {model: frozenset(model.model_fields) for model in _MODELS}
_IDENTIFYING = ("device_id", "hostname", "display_name")
_CAUSES = {"missing": "is missing", "model_type": "must be an object"}


def is_device_snapshot(raw: Mapping[str, Any]) -> bool:
    """Whether an object means to be a snapshot: it names its device. Any other object is a raw body."""
    return any(raw.get(name) is not None for name in _IDENTIFYING)


def parse_device_snapshot(raw: Mapping[str, Any]) -> DeviceSnapshot:
    """The snapshot of an object of JSON values.

    Raises ActionError VALIDATION_ERROR: the field is the first wrong member (`rmm_snapshot.disks[0].name`), the message
    names them all.
    """
    try:
        return DeviceSnapshot.model_validate(_with_strays_in_extension(raw))
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
    shown = [f"{_path(problem)} {_CAUSES.get(problem['type'], problem['msg'])}" for problem in problems]
    message = "; ".join(shown[:PROBLEMS_SHOWN_MAX])
    if len(shown) > PROBLEMS_SHOWN_MAX:
        message += f"; and {len(shown) - PROBLEMS_SHOWN_MAX} more"
    raise ActionError(ErrorCode.VALIDATION_ERROR, message, _path(problems[0]))


def _path(problem: ErrorDetails) -> str:
    return FIELD + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"])


def _with_strays_in_extension(raw: Mapping[str, Any]) -> dict[str, Any]:
    """`raw` with the members no model knows moved to `extension`, below the part they stood in."""
    known, strays = _split(raw, DeviceSnapshot)
    for name, part in _PARTS.items():
        value = known.get(name)
        if isinstance(value, dict):
            known[name], stray = _split(value, part)
            strays |= {name: stray} if stray else {}
        elif isinstance(value, list):
            split = [_split(item, part) if isinstance(item, dict) else (item, {}) for item in value]
            known[name] = [item for item, _ in split]
            of_items = [{"name": item.get("name")} | stray for item, stray in split if stray]
            strays |= {name: of_items} if of_items else {}
    given = known.get("extension")
    if strays and (given is None or isinstance(given, dict)):
        known["extension"] = merge_patch(strays, given or {})
    return known


def _split(raw: Mapping[str, Any], model: type[_Part]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The members that the model knows, and the others; quick where there are none, as in most of 2,000 programs."""
    names = _MEMBERS[model]
    if raw.keys() <= names:
        return dict(raw), {}
    known = {name: value for name, value in raw.items() if name in names}
    return known, {name: value for name, value in raw.items() if name not in names}
