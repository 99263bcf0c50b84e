"""Which entity a field of a ticket means: pure, over references that were read before."""

from uuid import UUID

from sinks.actions.choice import Choice, invalid
from sinks.actions.references import Entity


class TicketChoice(Choice):
    """The references of one command on a ticket."""

    def asset(self, client_id: UUID) -> Entity | None:
        """The asset to link, which must be the client's."""
        owner = f"client {client_id}"
        asset = self.by_either("asset_id", self.of_parent("asset_id", client_id, owner), "asset_external_id")
        if asset is not None and asset.parent_id != client_id:
            raise invalid("asset_external_id", f"asset_external_id: that asset does not belong to {owner}")
        return asset

    def status(self, board_id: UUID) -> Entity | None:
        """A status of the board."""
        return self.of_parent("status_id", board_id, f"board {board_id}")

    def category(self, board_id: UUID) -> Entity | None:
        """A category of the board, or one of all boards."""
        return self.of("category_id", fits=lambda c: c.parent_id in (None, board_id), owner=f"board {board_id}")

    def subcategory(self, category_id: UUID | None) -> Entity | None:
        """A subcategory of the category, which must be there."""
        if self._values.get("subcategory_id") is not None and category_id is None:
            raise invalid("subcategory_id", "subcategory_id needs a category")
        return self.of("subcategory_id", fits=lambda s: s.parent_id == category_id, owner=f"category {category_id}")

    def of_client(self, field: str, client_id: UUID) -> Entity | None:
        """A location or a contact, which must be the client's."""
        return self.of_parent(field, client_id, f"client {client_id}")

    def id_of(self, field: str) -> UUID | None:
        """The id of an entity that belongs to nobody in particular."""
        entity = self.of(field)
        return None if entity is None else entity.id
