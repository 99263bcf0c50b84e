"""updateTicketByExternalId, changeTicketStatusByExternalId, and what createTicket makes of a ticket that is there.

Absent = untouched, null = cleared; what no longer fits on another board or at another client is cleared.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.actions import ActionContext, ActionError, ActionResult, Command
from sinks.actions.choice import invalid
from sinks.actions.entity_set import decide_each, updated
from sinks.actions.tickets.choice import TicketChoice
from sinks.actions.tickets.kind import TICKETS
from sinks.actions.tickets.moves import Moves
from sinks.actions.tickets.ticket_set import TicketSet
from sinks.actions.values import merged_object, moment_of, overlaid, refuse_null

Row = dict[str, Any]
_CLIENT_FIELDS = ("client_id", "client_external_id")


def update_tickets(commands: Sequence[Command]) -> list[ActionResult | ActionError]:
    """Run updates of one tenant: a fixed number of statements for all of them."""
    tickets = TicketSet(commands)

    def decide(context: ActionContext, values: Mapping[str, Any]) -> ActionResult:
        return update_ticket(context, values, tickets, tickets.require(context, values))

    answers = decide_each(commands, decide)
    tickets.write()
    return answers


def update_ticket(context: ActionContext, values: Mapping[str, Any], tickets: TicketSet, before: Row) -> ActionResult:
    """Decide the update of a ticket that is `before`. Raises ActionError."""
    choice = TicketChoice(context, values, tickets.references)
    after = _after(values, before, choice, tickets.moves)
    _close(context, before, after)
    asset = choice.asset(after["client_id"])
    linked: Row = {}
    if asset is not None and tickets.links.add(before["id"], asset.id):
        linked["asset_id"] = {"previous": None, "new": str(asset.id)}
    changes = tickets.change(context, after, linked)
    return updated(TICKETS, after, values, before["number"], changes, ticket_number=before["number"])


def _after(values: Mapping[str, Any], before: Row, choice: TicketChoice, moves: Moves) -> Row:
    refuse_null(values, ("title", "board_id", "status_id"))
    after = overlaid(before, values, ("title", "description"), {})
    if "due_date" in values:
        after["due_date"] = moment_of(values["due_date"])
    if "attributes" in values:
        after["attributes"] = merged_object(before["attributes"], values["attributes"], "attributes")
    for field in ("priority_id", "assigned_to", "assigned_team_id"):
        if field in values:
            after[field] = choice.id_of(field)
    client, board = choice.client(), choice.of("board_id")
    if client is not None:
        after["client_id"] = client.id
    elif cleared := [field for field in _CLIENT_FIELDS if field in values]:
        raise invalid(cleared[0], f"{cleared[0]} must not be null")
    if board is not None:
        after["board_id"] = board.id
    _set_category(values, before, after, choice, moves)
    _set_parts_of_client(values, before, after, choice, moves)
    _set_status(before, after, choice, moves)
    return after


def _set_category(values: Mapping[str, Any], before: Row, after: Row, choice: TicketChoice, moves: Moves) -> None:
    board_id = after["board_id"]
    if "category_id" in values:
        category = choice.category(board_id)
        after["category_id"] = None if category is None else category.id
    elif board_id != before["board_id"] and not moves.keeps_category(board_id, before["category_id"]):
        after["category_id"] = None
    if after["category_id"] != before["category_id"]:
        after["subcategory_id"] = None
    if "subcategory_id" in values:
        subcategory = choice.subcategory(after["category_id"])
        after["subcategory_id"] = None if subcategory is None else subcategory.id


def _set_parts_of_client(
    values: Mapping[str, Any], before: Row, after: Row, choice: TicketChoice, moves: Moves
) -> None:
    client_id = after["client_id"]
    if client_id != before["client_id"]:
        after["location_id"] = None
        if not moves.keeps_contact(client_id, before["contact_id"]):
            after["contact_id"] = None
    for field in ("location_id", "contact_id"):
        if field in values:
            part = choice.of_client(field, client_id)
            after[field] = None if part is None else part.id


def _set_status(before: Row, after: Row, choice: TicketChoice, moves: Moves) -> None:
    status = choice.status(after["board_id"])
    if status is not None:
        after["status_id"], after["is_closed"] = status.id, status.is_closed
    elif after["board_id"] != before["board_id"]:
        after["status_id"] = moves.status_on(after["board_id"], before)


def _close(context: ActionContext, before: Row, after: Row) -> None:
    """A ticket has a time of closing exactly when its status is closed: the first one until it is open again."""
    if not after["is_closed"]:
        after["closed_at"] = None
    elif not before["is_closed"]:
        after["closed_at"] = context.now
