"""Assets that are linked to tickets."""

from collections.abc import Collection
from uuid import UUID

from schemas.actions import ActionContext
from schemas.encoding import record_bytes
from sinks.actions.tickets.kind import QUERIES


class AssetLinks:
    """The links between tickets that are locked and the assets that their commands name."""

    def __init__(self, context: ActionContext, ticket_ids: Collection[UUID], asset_ids: Collection[UUID]) -> None:
        self._context = context
        self._known: set[tuple[UUID, UUID]] = set()
        self._added: list[tuple[UUID, UUID]] = []
        if ticket_ids and asset_ids:
            parameters = {
                "tenant_id": context.tenant_id,
                "ticket_ids": list(ticket_ids),
                "asset_ids": list(asset_ids),
            }
            rows = context.tx.rows(QUERIES["read_assets"], parameters)
            self._known = {(row["ticket_id"], row["asset_id"]) for row in rows}

    def add(self, ticket_id: UUID, asset_id: UUID) -> bool:
        """Link them; False when they are linked already."""
        if (ticket_id, asset_id) in self._known:
            return False
        self._known.add((ticket_id, asset_id))
        self._added.append((ticket_id, asset_id))
        return True

    def write(self) -> None:
        """Write the links that were added."""
        if self._added:
            rows = [{"ticket_id": ticket_id, "asset_id": asset_id} for ticket_id, asset_id in self._added]
            parameters = {"tenant_id": self._context.tenant_id, "rows": record_bytes(rows).decode()}
            self._context.tx.execute(QUERIES["insert_assets"], parameters)
