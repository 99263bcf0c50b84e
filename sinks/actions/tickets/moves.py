"""What tickets meet on another board or at another client: read once for a set of them, decided without I/O."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from schemas.actions import ActionContext, RefEntityType
from sinks.actions.choice import invalid
from sinks.actions.references import References
from sinks.actions.tickets.kind import QUERIES

Row = dict[str, Any]
_PARTS = {"category_id": RefEntityType.TICKET_CATEGORY, "contact_id": RefEntityType.CONTACT}


class _Status(NamedTuple):
    id: UUID
    name: str
    is_closed: bool
    is_default: bool


@dataclass(frozen=True, slots=True)
class Moves:
    """`statuses`: those in use of each board, in their order; `names`: of those and of the tickets' own, in lower case.

    `owners`: the board of a category (None: it is of all boards), the client of a contact.
    """

    statuses: Mapping[UUID, Sequence[_Status]]
    names: Mapping[UUID, str]
    owners: Mapping[UUID, UUID | None]

    def status_on(self, board_id: UUID, before: Row) -> UUID:
        """The status of `board_id` that a ticket gets which comes there without one; an open ticket stays open.

        The one of the same name, else the default one; for a closed ticket else the first closed one. Raises
        ActionError when there is none.
        """
        statuses = [one for one in self.statuses.get(board_id, ()) if one.is_closed == before["is_closed"]]
        same_name = [one.id for one in statuses if one.name == self.names[before["status_id"]]]
        preferred = same_name or [one.id for one in statuses if one.is_default or before["is_closed"]]
        if not preferred:
            kind = "closed" if before["is_closed"] else "default"
            raise invalid("board_id", f"board_id: board {board_id} has no {kind} status")
        return preferred[0]

    def keeps_category(self, board_id: UUID, category_id: UUID | None) -> bool:
        """Whether a category is there on the board too."""
        return category_id is not None and self.owners.get(category_id) in (None, board_id)

    def keeps_contact(self, client_id: UUID, contact_id: UUID | None) -> bool:
        """Whether a contact is the client's."""
        return contact_id is not None and self.owners.get(contact_id) == client_id


def load_moves(context: ActionContext, references: References, tickets: Collection[Row]) -> Moves:
    """Read what `tickets` may meet at the boards and clients that `references` have; nothing where there are none."""
    boards, clients = references.of_type(RefEntityType.BOARD), references.of_type(RefEntityType.CLIENT)
    statuses: dict[UUID, list[_Status]] = defaultdict(list)
    names: dict[UUID, str] = {}
    owners: dict[UUID, UUID | None] = {}
    if tickets and boards:
        named = {entity.id for entity in references.of_type(RefEntityType.TICKET_STATUS)}
        wanted = {"board_ids": list({board.id for board in boards}), "ids": list(named | _ids(tickets, "status_id"))}
        for row in context.tx.rows(QUERIES["read_statuses"], {"tenant_id": context.tenant_id} | wanted):
            names[row["id"]] = row["name"]
            if row["is_active"]:
                status = _Status(row["id"], row["name"], row["is_closed"], row["is_default"])
                statuses[row["board_id"]].append(status)
    if tickets and (boards or clients):
        wanted = {name: list(_ids(tickets, name)) for name in _PARTS}
        rows = context.tx.rows(QUERIES["read_owners"], {"tenant_id": context.tenant_id} | wanted)
        owners = {row["id"]: row["owner_id"] for row in rows}
        owners |= {entity.id: entity.parent_id for part in _PARTS.values() for entity in references.of_type(part)}
    return Moves(statuses, names, owners)


def _ids(tickets: Collection[Row], column: str) -> set[UUID]:
    return {ticket[column] for ticket in tickets if ticket[column] is not None}
