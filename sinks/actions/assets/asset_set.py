"""The assets that a set of reports may mean: locked at once, decided upon one report after the other, written together.

Mappings are locked first, then devices by name, then assets, each in a fixed order. Tags and devices are looked up
before the mappings are looked at for the last time: whoever made an asset since the first look has mapped it as well.
A report sees what those before it in the set decided.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from infra.queries import load_queries
from schemas.actions import ActionContext, ActionError, RefEntityType
from schemas.encoding import record_bytes
from schemas.records import ErrorCode
from sinks.actions.assets.report import AssetReport, Device
from sinks.actions.assets.state import LISTS, AssetState, Row
from sinks.actions.entity_set import Namespaces
from sinks.actions.errors import CommandRaceError
from sinks.actions.references import FieldTypes, load_references

QUERIES = load_queries(Path(__file__).parent / "queries.sql")
SCOPE = "scope"
_TYPES = FieldTypes(
    {"client_id": RefEntityType.CLIENT},
    {"client_external_id": RefEntityType.CLIENT, SCOPE: RefEntityType.CLIENT},
)
_JSON_COLUMNS = (*LISTS, "extension")

Told = tuple[ActionContext, AssetReport]


class AssetSet:
    """Of reports of one tenant. `references`: the clients that they name or that their scopes are mapped to."""

    def __init__(self, reports: Sequence[Told]) -> None:
        self._context = reports[0][0]
        self._reports = reports
        self._mapped: dict[tuple[UUID, str], dict[str, UUID]] = defaultdict(dict)
        self._external_ids: dict[tuple[UUID, UUID], str] = {}
        self._of_device: dict[Device, set[UUID]] = defaultdict(set)
        self._tag_keys: dict[str, str] = {}
        self._holders: dict[str, UUID] = {}
        self._lock_mappings(reports)
        found = self._find_unmapped()
        self._stored = self._lock_assets(found.union(*(by_realm.values() for by_realm in self._mapped.values())))
        self._states: dict[UUID, AssetState] = {}
        for state in self._stored.values():
            self._keep(state)
        self._find_external_ids(found)
        self.references = load_references([(context, owner_fields(report)) for context, report in reports], _TYPES)
        self._namespaces = Namespaces([context for context, _ in reports])
        self._new_mappings: list[Row] = []
        self._mapping_changes: list[Row] = []

    def mapped(self, context: ActionContext, report: AssetReport) -> Mapping[str, UUID]:
        """The assets of a report's external id, by realm."""
        return self._mapped.get((context.namespace_id, report.external_id), {})

    def state(self, asset_id: UUID) -> AssetState | None:
        """An asset as it is by now; None when it is not there any more."""
        return self._states.get(asset_id)

    def of_device(self, device: Device) -> list[AssetState]:
        """The assets of a device, by id."""
        states = [self._states[asset_id] for asset_id in sorted(self._of_device.get(device, ()))]
        return [state for state in states if state.device == device]

    def holder(self, asset_tag: str) -> UUID | None:
        """The tenant's asset that has the tag, in any case of its letters."""
        return self._holders.get(self._tag_keys[asset_tag])

    def link(self, context: ActionContext, report: AssetReport, asset_id: UUID) -> None:
        """Map the external id of a report to an asset. Raises ActionError: CONFLICT, LOOKUP_MISS."""
        other = self._external_ids.get((context.namespace_id, asset_id))
        if other == report.external_id and asset_id not in self.mapped(context, report).values():
            raise CommandRaceError(f"asset {other!r} was mapped meanwhile")
        if other is not None:
            message = f"asset {asset_id} is mapped to external id {other!r} already"
            raise ActionError(ErrorCode.CONFLICT, message, "external_id")
        self._namespaces.require(context)
        row = {
            "mapping_id": context.new_id(),
            "webhook_id": context.namespace_id,
            "external_id": report.external_id,
            "realm_id": report.scope or "",
            "entity_id": asset_id,
            "sync_status": report.sync_status or "synced",
            "delivery_id": context.delivery_id,
        }
        self._new_mappings.append(row)
        self._know_mapping(row)

    def follow(self, context: ActionContext, report: AssetReport, asset_id: UUID) -> None:
        """Keep the mapping by which the asset was found up to date; no other report of the set has its external id."""
        self._mapping_changes.append(
            {
                "webhook_id": context.namespace_id,
                "entity_id": asset_id,
                "realm_id": report.scope,
                "sync_status": report.sync_status,
            }
        )

    def put(self, state: AssetState) -> None:
        """A new asset, or another state of one."""
        asset_id = state.asset["id"]
        before = self._states.get(asset_id)
        if before is None or before.asset["asset_tag"] != state.asset["asset_tag"]:
            self._holders = {key: holder for key, holder in self._holders.items() if holder != asset_id}
            if state.asset["asset_tag"] is not None:
                self._holders[self._tag_keys[state.asset["asset_tag"]]] = asset_id
        self._keep(state)

    def write(self) -> None:
        """Write everything. Raises CommandRaceError when an external id was mapped by somebody else meanwhile."""
        differing = [(self._stored.get(asset_id), state) for asset_id, state in sorted(self._states.items())]
        assets = [(before, after.asset) for before, after in differing if before is None or before.asset != after.asset]
        self._execute("insert_assets", [after for before, after in assets if before is None])
        if self._execute("insert_mappings", self._new_mappings) != len(self._new_mappings):
            raise CommandRaceError("an external id was mapped by another command meanwhile")
        self._execute("update_assets", [after for before, after in assets if before is not None])
        details = [_details_row(before, after) for before, after in differing if _has_new_details(before, after)]
        self._execute("insert_details", [row for is_new, row in details if is_new])
        self._execute("update_details", [row for is_new, row in details if not is_new])
        self._execute("update_mappings", self._mapping_changes)

    def _keep(self, state: AssetState) -> None:
        self._states[state.asset["id"]] = state
        if state.device is not None:
            self._of_device[state.device].add(state.asset["id"])

    def _know_mapping(self, row: Mapping[str, Any]) -> None:
        self._mapped[row["webhook_id"], row["external_id"]][row["realm_id"]] = row["entity_id"]
        self._external_ids[row["webhook_id"], row["entity_id"]] = row["external_id"]

    def _lock_mappings(self, reports: Iterable[Told]) -> None:
        rows = [{"webhook_id": context.namespace_id, "external_id": report.external_id} for context, report in reports]
        for row in self._rows("lock_mappings", wanted=record_bytes(rows).decode()):
            self._know_mapping(row)

    def _find_unmapped(self) -> frozenset[UUID]:
        """Look for those that may be known otherwise than by their mapping; the assets that are to be locked for it."""
        open_reports = [(context, report) for context, report in self._reports if not self._is_settled(context, report)]
        devices = {report.device for _, report in open_reports if report.device is not None}
        by_device = self._lock_devices(devices) if devices else []
        linked = self._find_tags()
        if by_device or self._holders:
            self._lock_mappings(open_reports)
        return frozenset((*by_device, *linked))

    def _is_settled(self, context: ActionContext, report: AssetReport) -> bool:
        by_realm = self.mapped(context, report)
        return report.scope in by_realm if report.scope is not None else bool(by_realm)

    def _lock_devices(self, devices: Collection[Device]) -> list[UUID]:
        """Let nobody else make an asset of these until the transaction ends, whichever webhook tells of them."""
        prefix = f"hookline asset\x1f{self._context.tenant_id}"
        self._rows("lock_devices", devices=["\x1f".join((prefix, *device)) for device in devices])
        wanted = [device._asdict() for device in devices]
        return [row["id"] for row in self._rows("find_devices", wanted=record_bytes(wanted).decode())]

    def _find_tags(self) -> list[UUID]:
        """Look for the assets that have the tags of the reports; those that may be linked."""
        tags = {report.asset_tag: False for _, report in self._reports if report.asset_tag is not None}
        tags |= {
            report.asset_tag: True
            for context, report in self._reports
            if report.asset_tag is not None and context.options.get("on_duplicate") == "link"
        }
        found = self._rows("find_tags", tags=list(tags)) if tags else []
        self._tag_keys = {row["wanted"]: row["key"] for row in found}
        self._holders = {row["key"]: row["id"] for row in found if row["id"] is not None}
        return [row["id"] for row in found if tags[row["wanted"]] and row["id"] is not None]

    def _lock_assets(self, ids: frozenset[UUID]) -> dict[UUID, AssetState]:
        if not ids:
            return {}
        assets = self._rows("lock_assets", ids=list(ids))
        details = {row.pop("asset_id"): row for row in self._rows("read_details", ids=list(ids))}
        return {row["id"]: AssetState(row, details.get(row["id"])) for row in assets}

    def _find_external_ids(self, found: Collection[UUID]) -> None:
        if found:
            namespaces = list({context.namespace_id for context, _ in self._reports})
            for row in self._rows("find_external_ids", ids=list(found), webhook_ids=namespaces):
                self._external_ids[row["webhook_id"], row["entity_id"]] = row["external_id"]

    def _rows(self, name: str, **parameters: Any) -> list[Row]:
        return self._context.tx.rows(QUERIES[name], {"tenant_id": self._context.tenant_id} | parameters)

    def _execute(self, name: str, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        parameters = {"tenant_id": self._context.tenant_id, "now": self._context.now}
        return self._context.tx.execute(QUERIES[name], parameters | {"rows": record_bytes(rows).decode()})


def owner_fields(report: AssetReport) -> Row:
    """What of a report may name its owner."""
    return {field: report.values.get(field) for field in ("client_id", "client_external_id")} | {SCOPE: report.scope}


def _has_new_details(before: AssetState | None, after: AssetState) -> bool:
    return after.details is not None and (before is None or before.details != after.details)


def _details_row(before: AssetState | None, after: AssetState) -> tuple[bool, Row]:
    """Whether they are the asset's first, and the row; of what is large and stays there is null."""
    stored = None if before is None else before.details
    row = {"asset_id": after.asset["id"]} | (after.details or {})
    if stored is not None:
        row |= {column: None for column in _JSON_COLUMNS if stored[column] == row[column]}
    return stored is None, row
