"""The event types Hookline itself emits, and what a declared one may be called.

Each version is a file of `schemas/events/`. A version that was released is never edited: the next one stands beside it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

NAME_LENGTH_MAX = 255
NAME_PATTERN = r"^[a-z][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*){0,7}$"
#: First parts of names that are kept for events of Hookline's own, of this release or a later one.
RESERVED_PREFIXES = (
    *(
        "asset",
        "client",
        "contact",
        "delivery",
        "entity",
        "execution",
        "hookline",
        "invoice",
        "project",
        "project_task",
    ),
    *("step", "tag", "ticket", "time_entry", "webhook", "workflow"),
)
_FOLDER = Path(__file__).parent / "events"
_FILE_NAME = re.compile(r"(?P<name>[a-z_.]+)\.v(?P<version>[1-9][0-9]*)\.json")


@dataclass(frozen=True, slots=True)
class CoreEventType:
    """One version of an event type of Hookline's own."""

    name: str
    version: int
    description: str
    json_schema: dict[str, Any]


@cache
def core_event_types() -> Mapping[str, tuple[CoreEventType, ...]]:
    """All versions by name, oldest first. Raises ValueError on a file whose name is not `NAME.vVERSION.json`."""
    found: dict[str, list[CoreEventType]] = {}
    for path in _FOLDER.glob("*.json"):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise ValueError(f"{path}: not NAME.vVERSION.json")
        json_schema = orjson.loads(path.read_bytes())
        event_type = CoreEventType(match["name"], int(match["version"]), json_schema["description"], json_schema)
        found.setdefault(event_type.name, []).append(event_type)
    ordered = {name: tuple(sorted(found[name], key=lambda one: one.version)) for name in sorted(found)}
    return MappingProxyType(ordered)


def is_reserved(name: str) -> bool:
    """Whether only Hookline may declare a type of this name."""
    return name.partition(".")[0] in RESERVED_PREFIXES or name in core_event_types()
