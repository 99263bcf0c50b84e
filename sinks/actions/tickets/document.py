"""A ticket as domain events show it: JSON types, and UUIDs, which orjson writes as text."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any


def new_ticket_document(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A ticket that was just made from `row`."""
    at = _time_text(now)
    asset_id = row["asset_id"]
    members = {name: value for name, value in row.items() if name != "asset_id"}
    times = {"created_at": at, "updated_at": at, "closed_at": at if row["is_closed"] else None}
    return members | times | {"asset_ids": [] if asset_id is None else [asset_id]}


def ticket_document(row: Mapping[str, Any]) -> dict[str, Any]:
    """A ticket as the database has it."""
    return {name: json_value(value) for name, value in row.items()}


def json_value(value: Any) -> Any:
    """A column's value as JSON."""
    return _time_text(value) if isinstance(value, datetime) else value


@lru_cache(maxsize=16)  # one command time per batch, written for each of its tickets
def _time_text(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1_000:03d}Z"
