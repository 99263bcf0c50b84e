"""Events of Hookline's own, held to the schemas that are published of them."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import jsonschema_rs

from schemas.event_types import core_event_types

Event = Mapping[str, Any]


def check_events(events: Iterable[Event], *, others_too: bool = False) -> None:
    """AssertionError for an event that its type's newest schema refuses, and for one of no type (unless allowed)."""
    for event in events:
        if event["type"] in core_event_types():
            found = [
                f"{error.instance_path}: {error.message}" for error in _validator(event["type"]).iter_errors(event)
            ]
            assert not found, f"{event['type']}: {found}"
        else:
            assert others_too, f"{event['type']} has no schema in schemas/events"


@cache
def _validator(event_type: str) -> jsonschema_rs.Draft202012Validator:
    newest = core_event_types()[event_type][-1]
    return jsonschema_rs.Draft202012Validator(newest.json_schema, validate_formats=True, offline=True)
