"""Which asset a report means: by its mapping, else as the same device elsewhere. Locks the mappings it reads."""

from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from infra.queries import load_queries
from schemas.actions import ActionContext, ActionError
from schemas.records import ErrorCode
from sinks.actions.assets.report import AssetReport, Device
from sinks.actions.assets.snapshot import FIELD
from sinks.actions.references import entity_without_realm

QUERIES = load_queries(Path(__file__).parent / "queries.sql")


class Match(NamedTuple):
    """An asset that is there. `realm`: of the external id's mapping to it; None when it is not mapped yet."""

    asset_id: UUID
    realm: str | None


def find_asset(context: ActionContext, report: AssetReport) -> Match | None:
    """The asset of a report; None when there is none. Raises ActionError when several may be meant."""
    parameters = {
        "tenant_id": context.tenant_id,
        "webhook_id": context.namespace_id,
        "external_id": report.external_id,
    }
    mapped = {row["realm_id"]: row for row in context.tx.rows(QUERIES["lock_mappings"], parameters)}
    if report.scope in mapped:
        return Match(mapped[report.scope]["entity_id"], report.scope)
    if report.scope is not None:
        mapped = {realm: row for realm, row in mapped.items() if _may_be_same(report, row)}
    by_realm: dict[str, UUID] = {realm: row["entity_id"] for realm, row in mapped.items()}
    asset_id = entity_without_realm(by_realm, report.external_id, "external_id")
    if asset_id is not None:
        return Match(asset_id, next(realm for realm, mapped_id in by_realm.items() if mapped_id == asset_id))
    return None if report.device is None else _find_device(context, report, report.device)


def lock_device(context: ActionContext, device: Device) -> None:
    """Let nobody else make an asset of this device until the transaction ends, whichever webhook tells of it."""
    name = "\x1f".join(("hookline asset", str(context.tenant_id), *device))
    context.tx.rows(QUERIES["lock_device"], {"device": name})


def find_tagged(context: ActionContext, asset_tag: str) -> UUID | None:
    """The tenant's asset that has the tag, in any case of its letters."""
    found = context.tx.rows(QUERIES["find_tagged"], {"tenant_id": context.tenant_id, "asset_tag": asset_tag})
    return found[0]["id"] if found else None


def _find_device(context: ActionContext, report: AssetReport, device: Device) -> Match | None:
    parameters = {"tenant_id": context.tenant_id, "provider": device.provider, "device_id": device.device_id}
    rows = [row for row in context.tx.rows(QUERIES["find_devices"], parameters) if _may_be_same(report, row)]
    if len(rows) > 1:
        named = " and ".join(str(row["id"]) for row in rows[:2])
        message = f"{FIELD}: device {device.device_id!r} of {device.provider} may be several assets, such as {named}"
        raise ActionError(ErrorCode.CONFLICT, message, FIELD)
    return Match(rows[0]["id"], None) if rows else None


def _may_be_same(report: AssetReport, row: dict[str, Any]) -> bool:
    """Known serial numbers that differ are of different devices."""
    told, known = report.serial_number, row["serial_number"]
    return told is None or known is None or told.casefold() == known.casefold()
