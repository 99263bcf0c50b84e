"""createTicket, for many commands of one tenant at once."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from schemas.actions import ActionContext, ActionError, ActionResult, Command
from sinks.actions.choice import invalid
from sinks.actions.entity_set import created, decide_each
from sinks.actions.existing import left_as_it_is
from sinks.actions.references import Entity
from sinks.actions.tickets.choice import TicketChoice
from sinks.actions.tickets.defaults import Defaults, load_defaults
from sinks.actions.tickets.kind import QUERIES, TICKETS
from sinks.actions.tickets.ticket_set import TicketSet
from sinks.actions.tickets.update import update_ticket
from sinks.actions.values import moment_of

Row = dict[str, Any]


def create_tickets(commands: Sequence[Command]) -> list[ActionResult | ActionError]:
    """Run createTicket: a fixed number of statements for all tickets. A refused command takes no ticket number."""
    context = commands[0][0]
    tickets, defaults = TicketSet(commands), load_defaults(context)

    def decide(context: ActionContext, values: Mapping[str, Any]) -> ActionResult | Row:
        before = tickets.find(context, values)
        if before is None:
            if values.get("external_id") is not None:
                tickets.require_namespace(context)
            return _new_row(context, values, TicketChoice(context, values, tickets.references), defaults)
        left = left_as_it_is(context, TICKETS, before, values)
        return update_ticket(context, values, tickets, before) if left is None else left

    decided = decide_each(commands, decide)
    count = sum(isinstance(one, dict) for one in decided)
    numbers = iter(context.tx.rows(QUERIES["next_numbers"], {"count": count}) if count else [])
    answers = [
        _add(command, one | next(numbers), tickets) if isinstance(one, dict) else one
        for command, one in zip(commands, decided, strict=True)
    ]
    tickets.write()
    return answers


def _add(command: Command, row: Row, tickets: TicketSet) -> ActionResult:
    context, values = command
    row = tickets.add(context, row, values.get("external_id"))
    for asset_id in row["asset_ids"]:
        tickets.links.add(row["id"], asset_id)
    return created(TICKETS, row, values, row["number"], ticket_number=row["number"])


def _new_row(context: ActionContext, values: Mapping[str, Any], choice: TicketChoice, defaults: Defaults) -> Row:
    """A ticket without its number; `asset_ids` is no column of it, but shown with it."""
    client = choice.client()
    if client is None:
        raise invalid("client_id", "client_id or client_external_id is required")
    board = choice.of("board_id") or defaults.board
    if board is None:
        raise invalid("board_id", "board_id: the tenant has no default board")
    status = choice.status(board.id) or defaults.statuses.get(board.id)
    if status is None:
        raise invalid("status_id", f"status_id: board {board.id} has no default status")
    category = choice.category(board.id)
    parts = {
        "client_id": client,
        "board_id": board,
        "status_id": status,
        "category_id": category,
        "subcategory_id": choice.subcategory(None if category is None else category.id),
        "location_id": choice.of_client("location_id", client.id),
        "contact_id": choice.of_client("contact_id", client.id),
        "assigned_to": choice.of("assigned_to"),
        "assigned_team_id": choice.of("assigned_team_id"),
    }
    row: Row = {name: None if entity is None else entity.id for name, entity in parts.items()}
    asset = choice.asset(client.id)
    return row | {
        "priority_id": _priority_id(choice, board, defaults),
        "is_closed": status.is_closed,
        "closed_at": context.now if status.is_closed else None,
        "asset_ids": [] if asset is None else [asset.id],
        **_plain_members(context, values),
    }


def _priority_id(choice: TicketChoice, board: Entity, defaults: Defaults) -> UUID | None:
    """The mapped priority, else the board's, else the tenant's default, else none."""
    default = defaults.priority
    return choice.id_of("priority_id") or board.default_priority_id or (None if default is None else default.id)


def _plain_members(context: ActionContext, values: Mapping[str, Any]) -> Row:
    return {
        "id": context.new_id(),
        "title": values["title"],
        "description": values.get("description"),
        "due_date": moment_of(values.get("due_date")),
        "attributes": values.get("attributes") or {},
        "source": "webhook",
        "webhook_id": context.webhook_id,
        "delivery_id": context.delivery_id,
        "trace_id": context.trace_id,
    }
