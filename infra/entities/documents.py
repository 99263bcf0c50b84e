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
        if value != after[name]
    }
