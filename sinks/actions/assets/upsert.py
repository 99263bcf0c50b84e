"""upsertAssetByExternalId, and the way in for device snapshots of every source.

Everything is decided before the first write, so a refusal leaves nothing behind.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.actions import ActionContext, ActionError, ActionResult, Command
from schemas.records import ErrorCode
from sinks.actions.assets.asset_set import AssetSet, Told
from sinks.actions.assets.events import emit_changes, emit_created
from sinks.actions.assets.matching import Match, find_asset, with_tag_free
from sinks.actions.assets.owner import owner_of
from sinks.actions.assets.report import AssetReport, report_of, report_of_snapshot
from sinks.actions.assets.snapshot import DeviceSnapshot
from sinks.actions.assets.state import AssetState, Row, changes_between, state_after, told_changes


def upsert_assets(commands: Sequence[Command]) -> list[ActionResult | ActionError]:
    """Run many upsertAssetByExternalId of one tenant: a fixed number of statements for all of them."""
    answers: dict[int, ActionResult | ActionError] = {}
    reports: dict[int, Told] = {}
    for position, (context, values) in enumerate(commands):
        try:
            reports[position] = (context, report_of(values))
        except ActionError as error:
            answers[position] = error
    if reports:
        answers.update(zip(reports, _take_in(list(reports.values())), strict=True))
    return [answers[position] for position in range(len(commands))]


def ingest_device_snapshot(
    context: ActionContext, snapshot: DeviceSnapshot, overrides: Mapping[str, Any]
) -> ActionResult:
    """Make or update the asset of a device. `overrides`: target fields of the action, which win over the snapshot.

    Raises ActionError.
    """
    [answer] = _take_in([(context, report_of_snapshot(snapshot, overrides))])
    if isinstance(answer, ActionError):
        raise answer
    return answer


def _take_in(reports: Sequence[Told]) -> list[ActionResult | ActionError]:
    assets = AssetSet(reports)
    answers: list[ActionResult | ActionError] = []
    for context, report in reports:
        try:
            answers.append(_decide(assets, context, report))
        except ActionError as error:
            answers.append(error)
    assets.write()
    return answers


def _decide(assets: AssetSet, context: ActionContext, report: AssetReport) -> ActionResult:
    match = find_asset(assets, context, report)
    if match is None and report.is_deletion:
        message = f"there is no asset of deleted device {report.external_id!r}; nothing to do"
        return ActionResult(
            entity_type="asset", entity_id=None, external_id=report.external_id, changed=False, message=message
        )
    match = with_tag_free(assets, context, report, match)
    return _create(assets, context, report) if match is None else _update(assets, context, report, match)


def _create(assets: AssetSet, context: ActionContext, report: AssetReport) -> ActionResult:
    blank: Row = {
        "id": context.new_id(),
        "client_id": owner_of(context, report, assets.references, None),
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
    assets.link(context, report, after.asset["id"])
    assets.put(after)
    emit_created(context, after)
    return ActionResult(
        entity_type="asset",
        entity_id=after.asset["id"],
        external_id=report.external_id,
        created=True,
        message=f"asset {after.asset['name']!r} created",
        metadata=_warned(report, {}),
    )


def _update(assets: AssetSet, context: ActionContext, report: AssetReport, match: Match) -> ActionResult:
    before = assets.state(match.asset_id)
    if before is None:
        message = f"asset {match.asset_id} does not exist any more"
        raise ActionError(ErrorCode.LOOKUP_MISS, message, "external_id")
    after = state_after(before, report)
    after.asset["client_id"] = owner_of(context, report, assets.references, before.asset["client_id"])
    changes = changes_between(before, after)
    if told_changes(changes):
        after.asset["updated_at"] = context.now
    if match.realm is None:
        assets.link(context, report, match.asset_id)
    else:
        assets.follow(context, report, match.asset_id)
    assets.put(after)
    emit_changes(context, after, changes)
    is_moved = match.realm is None or (report.scope is not None and match.realm != report.scope)
    return ActionResult(
        entity_type="asset",
        entity_id=match.asset_id,
        external_id=report.external_id,
        changed=bool(changes) or is_moved,
        message=f"asset {after.asset['name']!r} {'updated' if changes or is_moved else 'has these values already'}",
        metadata=_warned(report, {"updated_fields": sorted(changes)}),
    )


def _warned(report: AssetReport, metadata: Row) -> Row:
    return metadata | ({"warnings": list(report.warnings)} if report.warnings else {})
