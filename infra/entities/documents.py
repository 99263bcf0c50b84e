"""Rows as domain events show them, and what differs between two. Pure; UUIDs stay, orjson writes them as text."""

from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from infra.clock import rfc3339_of

Row = dict[str, Any]

time_text = lru_cache(maxsize=16)(rfc3339_of)  # one command time per batch, written for each of its entities


def json_value(value: Any) -> Any:
    """A column's value as JSON: times in RFC 3339, days as YYYY-MM-DD."""
    if isinstance(value, datetime):
        return time_text(value)
    return value.isoformat() if isinstance(value, date) else value


def document(row: Mapping[str, Any]) -> Row:
    """A row as events show it."""
    return {name: json_value(value) for name, value in row.items()}


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> Row:
    """`{column: {previous, new}}` of everything in `before` that differs in `after`."""
    return {
        name: {"previous": json_value(value), "new": json_value(after[name])}
        for name, value in before.items()
        if not _is_same(value, after[name])
    }


def _is_same(value: Any, other: Any) -> bool:
    """Equality, but that true is not 1: to JSON they are two values, to Python one."""
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(_is_same(member, other[name]) for name, member in value.items())
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(_is_same, value, other))
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)
