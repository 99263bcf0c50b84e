"""Which entity a field of a ticket means: pure, over references that were read before."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from schemas.actions import ActionContext
from sinks.actions.choice import Choice, invalid
from sinks.actions.references import Entity
from sinks.actions.tickets.references import TicketReferences


class TicketChoice(Choice):
    """The references of one command on a ticket."""

    def __init__(self, context: ActionContext, values: Mapping[str, Any], references: TicketReferences) -> None:
        super().__init__(context, values, references)
        self.references = references

    def asset(self, client_id: UUID) -> Entity | None:
        """The asset to link, which must be the client's."""
        owner = f"client {client_id}"
        asset = self.by_either("asset_id", self.of_parent("asset_id", client_id, owner), "asset_external_id")
        if asset is not None and asset.parent_id != client_id:
            raise invalid("asset_external_id", f"asset_external_id: that asset does not belong to {owner}")
        return asset

    def category(self, board_id: UUID) -> Entity | None:
        """A category of the board, or one of all boards."""
        return self.of("category_id", fits=lambda c: c.parent_id in (None, board_id), owner=f"board {board_id}")

    def subcategory(self, category_id: UUID | None) -> Entity | None:
        """A subcategory of the category, which must be there."""
        if self._values.get("subcategory_id") is not None and category_id is None:
            raise invalid("subcategory_id", "subcategory_id needs a category")
        return self.of("subcategory_id", fits=lambda s: s.parent_id == category_id, owner=f"category {category_id}")
