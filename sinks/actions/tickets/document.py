"""A ticket as domain events show it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from infra.entities.documents import json_value, time_text


def new_ticket_document(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A ticket that was just made from `row`."""
    at = time_text(now)
    asset_id = row["asset_id"]
    members = {name: value for name, value in row.items() if name != "asset_id"}
    times = {"created_at": at, "updated_at": at, "closed_at": at if row["is_closed"] else None}
    return members | times | {"asset_ids": [] if asset_id is None else [asset_id]}


def ticket_document(row: Mapping[str, Any]) -> dict[str, Any]:
    """A ticket as the database has it."""
    return {name: json_value(value) for name, value in row.items()}
