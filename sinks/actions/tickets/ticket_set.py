"""The tickets that a set of commands makes or changes."""

from collections.abc import Sequence

from schemas.actions import Command, RefEntityType
from sinks.actions.entity_set import EntitySet
from sinks.actions.tickets.fields import TICKET_TYPES
from sinks.actions.tickets.kind import TICKETS
from sinks.actions.tickets.links import AssetLinks
from sinks.actions.tickets.moves import load_moves


class TicketSet(EntitySet):
    """`EntitySet` of tickets. `moves`: what they meet on other boards and at other clients; `links`: their assets."""

    def __init__(self, commands: Sequence[Command]) -> None:
        super().__init__(commands, TICKETS, TICKET_TYPES)
        context = commands[0][0]
        self.moves = load_moves(context, self.references, self.rows.values())
        assets = self.references.of_type(RefEntityType.ASSET)
        self.links = AssetLinks(context, self.rows.keys(), {asset.id for asset in assets})

    def write(self) -> None:
        """Write everything. Raises CommandRaceError when an external id was mapped by somebody else meanwhile."""
        super().write()
        self.links.write()
