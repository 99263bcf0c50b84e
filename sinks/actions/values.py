"""Mapped values laid over a row: absent = untouched, null = cleared or the default, objects merge. Pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from infra.merge_patch import merge_patch
from schemas.actions import TargetField
from schemas.encoding import record_bytes
from sinks.actions.choice import invalid

Row = dict[str, Any]

OBJECT_BYTES_MAX = 65_536


def moment_of(text: str | None) -> datetime | None:
    """A coerced datetime as the database gives it."""
    return None if text is None else datetime.fromisoformat(text)


def overlaid(
    before: Mapping[str, Any], values: Mapping[str, Any], columns: Iterable[str], defaults: Mapping[str, Any]
) -> Row:
    """`before` with the columns that are in `values`; null gives the column's default, or null where it has none."""
    after = dict(before)
    for name in columns:
        if name in values:
            value = values[name]
            after[name] = defaults.get(name) if value is None else value
    return after


def merged_object(before: Row, patch: Row | None, field: str) -> Row:
    """`before` merged with `patch` (RFC 7396); null clears it. Raises ActionError when it grows over 64 KiB."""
    if patch is None:
        return {}
    merged: Row = merge_patch(before, patch)
    if len(record_bytes(merged)) > OBJECT_BYTES_MAX:
        raise invalid(field, f"{field} would be larger than {OBJECT_BYTES_MAX} bytes after the merge")
    return merged


def require_on_create(fields: Iterable[TargetField], entity_type: str, values: Mapping[str, Any]) -> None:
    """Raises ActionError for the first of `fields` that a new entity needs and that has no value."""
    for field in fields:
        if field.required_on_create and values.get(field.name) is None:
            raise invalid(field.name, f"{field.name} is required for a new {entity_type.replace('_', ' ')}")


def refuse_null(values: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raises ActionError for the first of the fields that is null: what an entity always has cannot be cleared."""
    for name in names:
        if name in values and values[name] is None:
            raise invalid(name, f"{name} must not be null")


def require_form(values: Mapping[str, Any], name: str, form: re.Pattern[str], words: str) -> None:
    """Raises ActionError when the field has a value that is not of `form`; `words` say what it must be."""
    value = values.get(name)
    if value is not None and form.fullmatch(value) is None:
        raise invalid(name, f"{name} must be {words}")
