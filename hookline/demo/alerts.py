"""Alerts in the shapes of five kinds of sender. Pure: the same random source gives the same alerts."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

import orjson

Payload = dict[str, Any]

CLIENT = "Acme Ltd"
_DEVICES = (
    "ACME-DC01",
    "ACME-SQL02",
    "ACME-FS01",
    "ACME-HV03",
    "ACME-RDS04",
    "ACME-NB-0172",
    "ACME-NB-0219",
    "ACME-FW01",
)
_SYSTEMS = ("Windows Server 2022 Standard", "Windows Server 2019 Standard", "Windows 11 Pro", "Ubuntu 24.04 LTS")


class Condition(NamedTuple):
    """What is wrong with a device. `low`/`high` bound the measured value."""

    text: str
    kind: str
    unit: str
    low: float
    high: float


_CONDITIONS = (
    Condition("Free space on C: is below its limit", "disk_usage", "%", 0.4, 9.9),
    Condition("CPU has been above 95 % for 15 minutes", "cpu_usage", "%", 95.0, 100.0),
    Condition("Memory in use is above its limit", "memory_usage", "%", 90.0, 99.9),
    Condition("The backup job has not run for too long", "backup_age", "h", 25.0, 96.0),
    Condition("The server answers slowly", "response_time", "ms", 900.0, 8000.0),
    Condition("Windows updates have failed", "patch_failed", "updates", 1.0, 12.0),
)


class Alert(NamedTuple):
    """What every shape is made of. `value` is what was measured: a number, or text where a sender is at fault.

    `id` is decimal digits without a leading zero, since some senders have numbers for ids.
    """

    id: str
    device: str
    system: str
    condition: Condition
    value: float | str
    at_seconds: int


def draw_alert(source: Random, at_seconds: int) -> Alert:
    """An alert with everything but its time drawn from `source`; no two of a few thousand have the same id."""
    alert_id = str(source.randrange(10**11, 10**12))
    condition = source.choice(_CONDITIONS)
    value = round(source.uniform(condition.low, condition.high), 1)
    return Alert(alert_id, source.choice(_DEVICES), source.choice(_SYSTEMS), condition, value, at_seconds)


def ninja(alert: Alert, source: Random) -> Payload:
    """As NinjaOne-like senders post: epoch times, upper-case severities, the device beside the alert."""
    return {
        "sender": "ninja",
        "alert": {
            "id": alert.id,
            "message": alert.condition.text,
            "severity": source.choice(["CRITICAL", "MAJOR", "MODERATE"]),
            "sourceType": f"CONDITION_{alert.condition.kind.upper()}",
            "createTime": float(alert.at_seconds),
            "value": alert.value,
        },
        "device": {"systemName": alert.device, "organization": CLIENT, "os": {"name": alert.system}, "offline": False},
        "activityType": "CONDITION",
        "statusCode": "TRIGGERED",
    }


def datto(alert: Alert, source: Random) -> Payload:
    """As Datto-like senders post: a nested context, capitalised priorities, numbers as text."""
    return {
        "sender": "datto",
        "alert": {
            "id": alert.id,
            "priority": source.choice(["Critical", "High", "Moderate", "Low"]),
            "diagnostics": alert.condition.text,
            "context": {"@class": f"perf_{alert.condition.kind}_ctx", "unit": alert.condition.unit},
            "value": str(alert.value),
            "timestamp": alert.at_seconds * 1000,
        },
        "hostname": alert.device,
        "operatingSystem": alert.system,
        "site": {"name": CLIENT, "uid": "b7b3c2a0-6f9e-4d52-9f3a-0d8f4f2b1c11"},
    }


def n_able(alert: Alert, source: Random) -> Payload:
    """As N-able-like senders post: flat names in capitals, the state as a word, a numeric id."""
    return {
        "sender": "n-able",
        "alert": {"id": int(alert.id), "trigger": "Notification profile: servers"},
        "CustomerName": CLIENT,
        "DeviceName": alert.device,
        "DeviceURI": f"{alert.device.lower()}.acme.example",
        "AffectedService": alert.condition.text,
        "QualitativeOldState": "Normal",
        "QualitativeNewState": source.choice(["Failed", "Warning"]),
        "QuantitativeNewState": str(alert.value),
        "TimeOfStateChange": f"{_iso(alert):.19}",
    }


def automate(alert: Alert, source: Random) -> Payload:
    """As ConnectWise-Automate-like senders post: computer and monitor, ISO times."""
    return {
        "sender": "automate",
        "alert": {
            "id": alert.id,
            "subject": alert.condition.text,
            "severity": source.choice(["Critical", "Warning", "Information"]),
            "threshold": {"measured": alert.value, "unit": alert.condition.unit},
        },
        "computer": {"id": source.randrange(1, 5000), "name": alert.device, "client": CLIENT, "os": alert.system},
        "monitor": {"name": alert.condition.kind, "interval_seconds": 300},
        "occurred_at": _iso(alert),
    }


def atera(alert: Alert, source: Random) -> Payload:
    """As Atera-like senders post: an agent, and everything else inside the alert."""
    return {
        "sender": "atera",
        "alert": {
            "id": alert.id,
            "title": alert.condition.text,
            "severity": source.choice(["Critical", "Warning", "Information"]),
            "category": alert.condition.kind,
            "created": _iso(alert),
            "value": alert.value,
        },
        "agent": {"device_name": alert.device, "customer": CLIENT, "os": alert.system, "id": source.randrange(1, 900)},
    }


SHAPES: Mapping[str, Callable[[Alert, Random], Payload]] = {
    "ninja": ninja,
    "datto": datto,
    "n-able": n_able,
    "automate": automate,
    "atera": atera,
}


def encode(payload: Payload) -> bytes:
    """The bytes that are sent, and signed."""
    return orjson.dumps(payload)


def sample(shape: str, source: Random, at_seconds: int) -> bytes:
    """One alert of a shape, with an id of its own."""
    return encode(SHAPES[shape](draw_alert(source, at_seconds), source))


def _iso(alert: Alert) -> str:
    return datetime.fromtimestamp(alert.at_seconds, UTC).isoformat().replace("+00:00", "Z")
