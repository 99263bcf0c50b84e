"""Tickets of the demo tenant, opened and then changed by their external ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sinks.actions.execution import Outcome
from tests.support.actions import ActionBase, add, request_of, take_events

UPDATE = "updateTicketByExternalId"
CHANGE_STATUS = "changeTicketStatusByExternalId"
ADD_COMMENT = "addTicketCommentByExternalId"


@dataclass(frozen=True, slots=True)
class Tickets:
    """Actions on tickets; each runs as a batch of its own."""

    base: ActionBase

    def open(self, **fields: Any) -> str:
        """A new ticket's external id; the events that it was opened with are taken away."""
        external_id = uuid4().hex
        (outcome,) = self.base.run(self.base.request({"external_id": external_id} | fields))
        assert outcome.status == "dispatched", outcome.body
        take_events(self.base)
        return external_id

    def request(self, action: str, external_id: str, **fields: Any) -> dict[str, Any]:
        """A request on a ticket."""
        return request_of(self.base, action, {"external_id": external_id} | fields)

    def update(self, external_id: str, **fields: Any) -> Outcome:
        """Run updateTicketByExternalId."""
        return self.base.run(self.request(UPDATE, external_id, **fields))[0]

    def change_status(self, external_id: str, **fields: Any) -> Outcome:
        """Run changeTicketStatusByExternalId."""
        return self.base.run(self.request(CHANGE_STATUS, external_id, **fields))[0]

    def comment(self, external_id: str, **fields: Any) -> Outcome:
        """Run addTicketCommentByExternalId."""
        return self.base.run(self.request(ADD_COMMENT, external_id, **fields))[0]

    def row(self, external_id: str) -> dict[str, Any]:
        """The ticket as it is."""
        mapped = "SELECT entity_id FROM external_entity_mappings WHERE entity_type = 'ticket' AND external_id = %s"
        (row,) = self.base.rows(f"SELECT * FROM tickets WHERE id IN ({mapped})", [external_id])  # noqa: S608
        return row

    def links(self, external_id: str) -> set[UUID]:
        """The assets that are linked to it."""
        rows = self.base.rows("SELECT asset_id FROM ticket_assets WHERE ticket_id = %s", [self.row(external_id)["id"]])
        return {row["asset_id"] for row in rows}

    def comments(self, external_id: str) -> list[dict[str, Any]]:
        """Its comments as they are read, oldest first."""
        ticket_id = self.row(external_id)["id"]
        return self.base.rows("SELECT * FROM ticket_comments WHERE ticket_id = %s ORDER BY created_at", [ticket_id])

    def add_board(self, name: str, **statuses: bool) -> UUID:
        """A board with these statuses in this order, named with spaces for `_`; true: a closed one. The first that is
        open is the default."""
        board_id = add(self.base, "boards", name=name)
        default = next((status for status, is_closed in statuses.items() if not is_closed), None)
        for position, (status, is_closed) in enumerate(statuses.items(), start=1):
            add(
                self.base,
                "ticket_statuses",
                board_id=board_id,
                name=status.replace("_", " "),
                position=position,
                is_closed=is_closed,
                is_default=status == default,
            )
        return board_id

    def status_name(self, external_id: str) -> str:
        """The name of its status."""
        (row,) = self.base.rows("SELECT name FROM ticket_statuses WHERE id = %s", [self.row(external_id)["status_id"]])
        return str(row["name"])
