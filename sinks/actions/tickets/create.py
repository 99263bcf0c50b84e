"""createTicket, for one command or many of one tenant at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from infra.queries import load_queries
from schemas.actions import ActionContext, ActionError, ActionResult, Command
from schemas.records import ErrorCode
from sinks.actions.errors import CommandRaceError
from sinks.actions.references import Entity
from sinks.actions.tickets.choice import TicketChoice
from sinks.actions.tickets.document import new_ticket_document
from sinks.actions.tickets.references import TicketReferences, load_ticket_references
from sinks.actions.tickets.update import update_ticket

QUERIES = load_queries(Path(__file__).parent / "queries.sql")
Row = dict[str, Any]


def create_ticket(context: ActionContext, values: Mapping[str, Any]) -> ActionResult:
    """Run one createTicket. Raises ActionError."""
    result = create_tickets([(context, values)])[0]
    if isinstance(result, ActionError):
        raise result
    return result


def create_tickets(commands: Sequence[Command]) -> list[ActionResult | ActionError]:
    """Run many of one tenant: a fixed number of statements for all tickets that are new."""
    references = load_ticket_references(commands)
    decided = [_decide(context, values, references) for context, values in commands]
    new = [(position, row) for position, row in enumerate(decided) if isinstance(row, dict)]
    if new:
        _insert(commands, new)
    return [_created(commands[position], row) if isinstance(row, dict) else row for position, row in enumerate(decided)]


def _decide(
    context: ActionContext, values: Mapping[str, Any], references: TicketReferences
) -> Row | ActionResult | ActionError:
    """The row to insert, or what became of the command without one."""
    try:
        external_id = values.get("external_id")
        if external_id is not None:
            if context.namespace_id not in references.webhooks:
                message = f"external_id: webhook {context.namespace_id} does not exist, so it has no external ids"
                raise ActionError(ErrorCode.LOOKUP_MISS, message, "external_id")
            ticket_id = references.mapped(context, "ticket", external_id, "external_id")
            if ticket_id is not None:
                return _existing(context, values, ticket_id, references)
        return _new_row(context, values, TicketChoice(context, values, references))
    except ActionError as error:
        return error


def _existing(
    context: ActionContext, values: Mapping[str, Any], ticket_id: UUID, references: TicketReferences
) -> ActionResult:
    external_id = values["external_id"]
    on_existing = context.options.get("on_existing", "fail")
    if on_existing == "update":
        return update_ticket(context, ticket_id, values, references)
    if on_existing == "ignore":
        message = f"ticket {ticket_id} is there already and stays as it is"
        return ActionResult(
            entity_type="ticket", entity_id=ticket_id, external_id=external_id, changed=False, message=message
        )
    message = f"external_id {external_id!r} is mapped to ticket {ticket_id} already"
    raise ActionError(ErrorCode.CONFLICT, message, "external_id")


def _new_row(context: ActionContext, values: Mapping[str, Any], choice: TicketChoice) -> Row:
    client = choice.client()
    if client is None:
        raise ActionError(ErrorCode.VALIDATION_ERROR, "client_id or client_external_id is required", "client_id")
    board = choice.of("board_id") or choice.references.default_board
    if board is None:
        raise ActionError(ErrorCode.VALIDATION_ERROR, "board_id: the tenant has no default board", "board_id")
    status = choice.of_parent("status_id", board.id, f"board {board.id}")
    status = status or choice.references.default_statuses.get(board.id)
    if status is None:
        message = f"status_id: board {board.id} has no default status"
        raise ActionError(ErrorCode.VALIDATION_ERROR, message, "status_id")
    owner = f"client {client.id}"
    category = choice.category(board.id)
    parts = {
        "client_id": client,
        "board_id": board,
        "status_id": status,
        "category_id": category,
        "subcategory_id": choice.subcategory(None if category is None else category.id),
        "location_id": choice.of_parent("location_id", client.id, owner),
        "contact_id": choice.of_parent("contact_id", client.id, owner),
        "asset_id": choice.asset(client.id),
        "assigned_to": choice.of("assigned_to"),
        "assigned_team_id": choice.of("assigned_team_id"),
    }
    row: Row = {name: None if entity is None else entity.id for name, entity in parts.items()}
    row["priority_id"] = _priority_id(choice, board)
    row["is_closed"] = status.is_closed
    return row | _plain_members(context, values)


def _priority_id(choice: TicketChoice, board: Entity) -> UUID | None:
    """The mapped priority, else the board's, else the tenant's default, else none."""
    priority = choice.of("priority_id")
    if priority is not None:
        return priority.id
    default = choice.references.default_priority
    return board.default_priority_id or (None if default is None else default.id)


def _plain_members(context: ActionContext, values: Mapping[str, Any]) -> Row:
    return {
        "id": context.new_id(),
        "title": values["title"],
        "description": values.get("description"),
        "due_date": values.get("due_date"),
        "attributes": values.get("attributes") or {},
        "source": "webhook",
        "webhook_id": context.webhook_id,
        "delivery_id": context.delivery_id,
        "trace_id": context.trace_id,
    }


def _insert(commands: Sequence[Command], new: Sequence[tuple[int, Row]]) -> None:
    context = commands[0][0]
    common = {"tenant_id": context.tenant_id, "now": context.now}
    numbers = context.tx.rows(QUERIES["next_numbers"], {"count": len(new)})
    for (_, row), number in zip(new, numbers, strict=True):
        row["number"] = number["number"]
    rows = [row for _, row in new]
    context.tx.execute(QUERIES["insert_tickets"], common | {"rows": orjson.dumps(rows).decode()})
    mappings = [_mapping(commands[position], row) for position, row in new if commands[position][1].get("external_id")]
    if mappings:
        written = context.tx.execute(QUERIES["insert_mappings"], common | {"rows": orjson.dumps(mappings).decode()})
        if written != len(mappings):
            raise CommandRaceError("an external id was mapped by another command meanwhile")
    links = [{"ticket_id": row["id"], "asset_id": row["asset_id"]} for row in rows if row["asset_id"] is not None]
    if links:
        context.tx.execute(QUERIES["insert_assets"], common | {"rows": orjson.dumps(links).decode()})


def _mapping(command: Command, row: Row) -> Row:
    context, values = command
    return {
        "mapping_id": context.new_id(),
        "webhook_id": context.namespace_id,
        "external_id": values["external_id"],
        "entity_id": row["id"],
        "delivery_id": row["delivery_id"],
    }


def _created(command: Command, row: Row) -> ActionResult:
    context, values = command
    ticket_id: UUID = row["id"]
    context.emit("ticket.created", "ticket", ticket_id, data=new_ticket_document(row, context.now))
    return ActionResult(
        entity_type="ticket",
        entity_id=ticket_id,
        external_id=values.get("external_id"),
        created=True,
        message=f"ticket {row['number']} created",
        metadata={"ticket_number": row["number"]},
    )
