"""Commands of upsertAssetByExternalId, and what they left: assets, mappings, events held to their schemas."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from schemas.event_types import core_event_types
from sinks.actions.execution import Outcome
from tests.support.actions import ActionBase

ACTION = "upsertAssetByExternalId"
PAGE = Path(__file__).parents[2] / "docs" / "actions.md"

#: A device snapshot with every member.
FULL_SNAPSHOT: dict[str, Any] = {
    "device_id": "d-1",
    "provider": "acme-rmm",
    "scope_id": "site-1",
    "hostname": "srv-01",
    "display_name": "Mail server",
    "type": "server",
    "serial_number": "S1",
    "lifecycle": "active",
    "os_name": "Windows Server",
    "os_version": "2022",
    "agent_version": "9.1",
    "last_seen_at": "2026-03-01T10:00:00.000Z",
    "last_user": "ACME\\bob",
    "uptime_seconds": 86_400,
    "lan_ip": "10.0.0.5",
    "wan_ip": "203.0.113.7",
    "cpu_model": "EPYC",
    "cpu_cores": 8,
    "ram_bytes": 34_359_738_368,
    "disks": [{"name": "C:", "total_bytes": 500, "free_bytes": 100}, {"name": "D:", "total_bytes": 900}],
    "antivirus": {"name": "Guard", "enabled": True, "up_to_date": False},
    "patches": {"pending": 3, "failed": 1, "last_scan_at": "2026-02-28T23:00:00Z"},
    "software": [{"name": "Mail", "version": "1.2", "publisher": "Acme", "installed_at": "2025-01-01T00:00:00Z"}],
    "extension": {"tags": ["a"], "site": {"floor": 2}},
}


def documented(language: str) -> str:
    """The example in `language` on the page of actions that is of an asset."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    (block,) = [block for block in blocks if ACTION in block or language != "json"]
    return str(block)


def asset_request(base: ActionBase, fields: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    """A request for external id "d-1" of the demo client; a field given as ... is left out."""
    merged = {"external_id": "d-1", "title": ..., "client_id": "Acme Ltd"} | dict(fields)
    return base.request(merged, action=ACTION, **members)


def upsert(base: ActionBase, fields: Mapping[str, Any] | None = None, **members: Any) -> Outcome:
    """Run one upsert as a batch of its own."""
    return base.run(asset_request(base, fields or {}, **members))[0]


def tell(base: ActionBase, snapshot: dict[str, Any] | None = None, **members: Any) -> Outcome:
    """Upsert a snapshot of device d-1 of site-1; `members` are fields beside it."""
    scoped = {"device_id": "d-1", "scope_id": "site-1"} | dict(snapshot or {})
    return upsert(base, {"rmm_snapshot": {k: v for k, v in scoped.items() if v is not ...}} | members)


def asset_of(base: ActionBase, outcome: Outcome) -> dict[str, Any]:
    """The asset of a command that succeeded."""
    assert outcome.status == "dispatched", outcome.body
    (row,) = base.rows("SELECT * FROM assets WHERE id = %s", [outcome.body["entity_id"]])
    return row


def details_of(base: ActionBase, outcome: Outcome) -> dict[str, Any]:
    """The device details of the asset of a command that succeeded."""
    asset = asset_of(base, outcome)
    (row,) = base.rows("SELECT * FROM asset_rmm_details WHERE asset_id = %s", [asset["id"]])
    return row


def mappings(base: ActionBase) -> list[dict[str, Any]]:
    """Realm, entity and state of every asset mapping, by realm."""
    return base.rows(
        "SELECT external_id, realm_id, entity_id, sync_status FROM external_entity_mappings "
        "WHERE entity_type = 'asset' ORDER BY realm_id, external_id"
    )


def take_events(base: ActionBase) -> list[dict[str, Any]]:
    """The events since the last call, oldest first; each fits its JSON Schema."""
    payloads = [row["payload"] for row in base.rows("SELECT payload FROM outbox ORDER BY position")]
    base.write("DELETE FROM outbox")
    for payload in payloads:
        json_schema = core_event_types()[payload["type"]][-1].json_schema
        Draft202012Validator(json_schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(payload)
    return payloads


def take_event_types(base: ActionBase) -> list[str]:
    """The types of `take_events`."""
    return [payload["type"] for payload in take_events(base)]


def without_times(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without the columns that say when it was written."""
    return {name: value for name, value in row.items() if name not in ("updated_at", "last_synced_at")}
