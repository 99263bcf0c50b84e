"""Columns as domain events show them: JSON types, and UUIDs, which orjson writes as text."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from infra.clock import rfc3339_of

time_text = lru_cache(maxsize=16)(rfc3339_of)  # one command time per batch, written for each of its entities


def json_value(value: Any) -> Any:
    """A column's value as JSON."""
    return time_text(value) if isinstance(value, datetime) else value
