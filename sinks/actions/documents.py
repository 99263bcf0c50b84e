"""Columns as domain events show them: JSON types, and UUIDs, which orjson writes as text."""

from datetime import datetime
from functools import lru_cache
from typing import Any


def json_value(value: Any) -> Any:
    """A column's value as JSON."""
    return time_text(value) if isinstance(value, datetime) else value


@lru_cache(maxsize=16)  # one command time per batch, written for each of its entities
def time_text(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1_000:03d}Z"
