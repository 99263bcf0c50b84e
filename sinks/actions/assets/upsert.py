"""upsertAssetByExternalId, and the way in for device snapshots of every source.

Everything is decided before the first write, so a refusal leaves nothing behind.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from schemas.actions import ActionContext, ActionError, ActionResult
from schemas.encoding import record_bytes
from schemas.records import ErrorCode
from sinks.actions.assets.events import emit_changes, emit_created
from sinks.actions.assets.matching import QUERIES, Match, find_asset, find_tagged, lock_device
from sinks.actions.assets.owner import owner_of
from sinks.actions.assets.report import AssetReport
from sinks.actions.assets.snapshot import FIELD, DeviceSnapshot, Lifecycle, is_device_snapshot, parse_device_snapshot
from sinks.actions.assets.state import LISTS, AssetState, Row, changes_between, state_after, told_changes
from sinks.actions.choice import invalid
from sinks.actions.errors import CommandRaceError

DEFAULT_SCOPE = "default"
SNAPSHOT_NOT_NORMALIZED = "snapshot_not_normalized"
_JSON_COLUMNS = (*LISTS, "extension")


def upsert_asset(context: ActionContext, values: Mapping[str, Any]) -> ActionResult:
    """Run one upsertAssetByExternalId. Raises ActionError."""
    raw = values.get(FIELD)
    if raw is None and FIELD in values:
        raise invalid(FIELD, f"{FIELD} must be an object, but is null")
    if raw is not None and is_device_snapshot(raw):
        return ingest_device_snapshot(context, parse_device_snapshot(raw), values)
    warnings = () if raw is None else (SNAPSHOT_NOT_NORMALIZED,)
    scope = values.get("external_scope_id")
    return _upsert(context, AssetReport(values["external_id"], values, scope, warnings=warnings))


def ingest_device_snapshot(
    context: ActionContext, snapshot: DeviceSnapshot, overrides: Mapping[str, Any]
) -> ActionResult:
    """Make or update the asset of a device. `overrides`: target fields of the action, which win over the snapshot.

    Raises ActionError.
    """
    external_id = overrides.get("external_id") or snapshot.device_id
    if external_id is None:
        raise invalid("external_id", "external_id: a snapshot without device_id needs one")
    scope = overrides.get("external_scope_id") or snapshot.scope_id or DEFAULT_SCOPE
    return _upsert(context, AssetReport(external_id, overrides, scope, snapshot))


def _upsert(context: ActionContext, report: AssetReport) -> ActionResult:
    match = find_asset(context, report)
    is_deleted = report.snapshot is not None and report.snapshot.state is Lifecycle.DELETED
    if match is None and is_deleted:
        message = f"there is no asset of deleted device {report.external_id!r}; nothing to do"
        return ActionResult(
            entity_type="asset", entity_id=None, external_id=report.external_id, changed=False, message=message
        )
    if match is None and report.device is not None:
        lock_device(context, report.device)
        match = find_asset(context, report)  # whoever had the lock may have made it
    match = _with_tag_free(context, report, match)
    return _create(context, report) if match is None else _update(context, report, match)


def _with_tag_free(context: ActionContext, report: AssetReport, match: Match | None) -> Match | None:
    """`match`, or the asset that has the mapped tag where that is to be linked. Raises CONFLICT for a taken tag."""
    tag = report.values.get("asset_tag")
    holder = None if tag is None else find_tagged(context, tag)
    if holder is None or (match is not None and match.asset_id == holder):
        return match
    if match is None:
        _require_unmapped(context, report)
        if context.options.get("on_duplicate") == "link":
            return Match(holder, None)
    raise ActionError(ErrorCode.CONFLICT, f"asset_tag {tag!r} is on asset {holder} already", "asset_tag")


def _create(context: ActionContext, report: AssetReport) -> ActionResult:
    blank: Row = {
        "id": context.new_id(),
        "client_id": owner_of(context, report, None),
        "asset_type": "unknown",
        "name": report.external_id,
        "asset_tag": None,
        "serial_number": None,
        "status": "active",
        "location": None,
        "is_active": True,
        "rmm_provider": None,
        "rmm_device_id": None,
        "created_at": context.now,
        "updated_at": context.now,
    }
    after = state_after(AssetState(blank, None), report)
    asset_id: UUID = after.asset["id"]
    _link(context, report, asset_id)
    context.tx.execute(QUERIES["insert_asset"], {"tenant_id": context.tenant_id} | after.asset)
    if after.details is not None:
        _write_details(context, asset_id, None, after.details)
    emit_created(context, after)
    return ActionResult(
        entity_type="asset",
        entity_id=asset_id,
        external_id=report.external_id,
        created=True,
        message=f"asset {after.asset['name']!r} created",
        metadata=_warned(report, {}),
    )


def _update(context: ActionContext, report: AssetReport, match: Match) -> ActionResult:
    before = _locked(context, match.asset_id)
    after = state_after(before, report)
    after.asset["client_id"] = owner_of(context, report, before.asset["client_id"])
    changes = changes_between(before, after)
    if told_changes(changes):
        after.asset["updated_at"] = context.now
        context.tx.execute(QUERIES["update_asset"], {"tenant_id": context.tenant_id} | after.asset)
    if after.details is not None and after.details != before.details:
        _write_details(context, match.asset_id, before.details, after.details)
    is_moved = _map(context, report, match)
    emit_changes(context, after, changes)
    return ActionResult(
        entity_type="asset",
        entity_id=match.asset_id,
        external_id=report.external_id,
        changed=bool(changes) or is_moved,
        message=f"asset {after.asset['name']!r} {'updated' if changes or is_moved else 'has these values already'}",
        metadata=_warned(report, {"updated_fields": sorted(changes)}),
    )


def _locked(context: ActionContext, asset_id: UUID) -> AssetState:
    key = {"tenant_id": context.tenant_id, "id": asset_id}
    found = context.tx.rows(QUERIES["lock_asset"], key)
    if not found:
        raise ActionError(ErrorCode.LOOKUP_MISS, f"asset {asset_id} does not exist any more", "external_id")
    details = context.tx.rows(QUERIES["read_details"], key)
    return AssetState(found[0], details[0] if details else None)


def _write_details(context: ActionContext, asset_id: UUID, before: Row | None, after: Row) -> None:
    parameters = {"tenant_id": context.tenant_id, "asset_id": asset_id, "now": context.now} | after
    for column in _JSON_COLUMNS:
        stays = before is not None and before[column] == after[column]
        parameters[column] = None if stays else record_bytes(after[column]).decode()
    context.tx.execute(QUERIES["insert_details" if before is None else "update_details"], parameters)


def _map(context: ActionContext, report: AssetReport, match: Match) -> bool:
    """Map the external id to the asset, or keep its mapping up to date; whether it leads elsewhere than before."""
    if match.realm is None:
        _link(context, report, match.asset_id)
    sync_status = None
    if report.snapshot is not None:
        sync_status = "deleted" if report.snapshot.state is Lifecycle.DELETED else "synced"
    parameters = {
        "tenant_id": context.tenant_id,
        "webhook_id": context.namespace_id,
        "entity_id": match.asset_id,
        "realm_id": report.scope,
        "sync_status": sync_status,
        "now": context.now,
    }
    context.tx.execute(QUERIES["update_mapping"], parameters)
    return match.realm is None or (report.scope is not None and match.realm != report.scope)


def _link(context: ActionContext, report: AssetReport, asset_id: UUID) -> None:
    try:
        context.link("asset", report.external_id, asset_id, realm=report.scope or "")
    except ActionError:
        _require_unmapped(context, report)
        raise


def _require_unmapped(context: ActionContext, report: AssetReport) -> None:
    """Raise CommandRaceError when an external id that was not mapped is by now: its asset is no conflict then."""
    match = find_asset(context, report)
    if match is not None and match.realm is not None:
        raise CommandRaceError(f"asset {report.external_id!r} was mapped meanwhile")


def _warned(report: AssetReport, metadata: Row) -> Row:
    return metadata | ({"warnings": list(report.warnings)} if report.warnings else {})
