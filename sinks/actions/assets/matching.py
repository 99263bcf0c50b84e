"""Which asset a report means: by its mapping, else as the same device elsewhere, else by a tag that is linked."""

from typing import NamedTuple
from uuid import UUID

from schemas.actions import ActionContext, ActionError
from schemas.records import ErrorCode
from sinks.actions.assets.asset_set import AssetSet
from sinks.actions.assets.report import AssetReport, Device
from sinks.actions.assets.snapshot import FIELD
from sinks.actions.assets.state import AssetState
from sinks.actions.references import entity_without_realm


class Match(NamedTuple):
    """An asset that is there. `realm`: of the external id's mapping to it; None when it is not mapped yet."""

    asset_id: UUID
    realm: str | None


def find_asset(assets: AssetSet, context: ActionContext, report: AssetReport) -> Match | None:
    """The asset of a report; None when there is none. Raises ActionError when several may be meant."""
    by_realm = assets.mapped(context, report)
    if report.scope is not None:
        if report.scope in by_realm:
            return Match(by_realm[report.scope], report.scope)
        by_realm = {realm: i for realm, i in by_realm.items() if _may_be_same(report, assets.state(i))}
    asset_id = entity_without_realm(by_realm, report.external_id, "external_id")
    if asset_id is not None:
        return Match(asset_id, next(realm for realm, mapped_id in by_realm.items() if mapped_id == asset_id))
    return None if report.device is None else _find_device(assets, report, report.device)


def with_tag_free(assets: AssetSet, context: ActionContext, report: AssetReport, match: Match | None) -> Match | None:
    """`match`, or the asset that has the mapped tag where that is to be linked. Raises CONFLICT for a taken tag."""
    holder = None if report.asset_tag is None else assets.holder(report.asset_tag)
    if holder is None or (match is not None and match.asset_id == holder):
        return match
    if match is None and context.options.get("on_duplicate") == "link":
        return Match(holder, None)
    raise ActionError(ErrorCode.CONFLICT, f"asset_tag {report.asset_tag!r} is on asset {holder} already", "asset_tag")


def _find_device(assets: AssetSet, report: AssetReport, device: Device) -> Match | None:
    found = [state.asset["id"] for state in assets.of_device(device) if _may_be_same(report, state)]
    if len(found) > 1:
        named = " and ".join(str(asset_id) for asset_id in found[:2])
        message = f"{FIELD}: device {device.device_id!r} of {device.provider} may be several assets, such as {named}"
        raise ActionError(ErrorCode.CONFLICT, message, FIELD)
    return Match(found[0], None) if found else None


def _may_be_same(report: AssetReport, state: AssetState | None) -> bool:
    """Known serial numbers that differ are of different devices."""
    told, known = report.serial_number, None if state is None else state.asset["serial_number"]
    return told is None or known is None or told.casefold() == known.casefold()
