"""Update of a ticket from mapped fields: absent = untouched, null = cleared, parts that no longer fit are cleared.

Everything is decided before the first write, so a refusal leaves nothing behind.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from infra.entities.documents import json_value
from infra.merge_patch import merge_patch
from infra.queries import load_queries
from schemas.actions import ActionContext, ActionError, ActionResult
from schemas.records import ErrorCode
from sinks.actions.tickets.choice import TicketChoice
from sinks.actions.tickets.document import ticket_document
from sinks.actions.tickets.fields import ATTRIBUTES_BYTES_MAX
from sinks.actions.tickets.references import TicketReferences

QUERIES = load_queries(Path(__file__).parent / "queries.sql")
Row = dict[str, Any]
_STATUS_FIELDS = frozenset({"status_id", "is_closed", "closed_at"})
_ASSIGNMENT_FIELDS = frozenset({"assigned_to", "assigned_team_id"})


def update_ticket(
    context: ActionContext, ticket_id: UUID, values: Mapping[str, Any], references: TicketReferences
) -> ActionResult:
    """Update the mapped fields of a ticket. Raises ActionError before anything is written."""
    context.find("ticket", values["external_id"])  # locks the mapping, then the ticket: the order of all writers
    key = {"tenant_id": context.tenant_id, "id": ticket_id}
    found = context.tx.rows(QUERIES["lock_ticket"], key)
    if not found:
        raise ActionError(ErrorCode.LOOKUP_MISS, f"ticket {ticket_id} does not exist any more", "external_id")
    before = found[0]
    choice = TicketChoice(context, values, references)
    after = _after(context, values, before, choice)
    asset = choice.asset(after["client_id"])
    changes = _changes(before, after)
    if changes:
        parameters = key | after | {"attributes": orjson.dumps(after["attributes"]).decode()}
        context.tx.execute(QUERIES["update_ticket"], parameters)
    if asset is not None and _link_asset(context, ticket_id, asset.id):
        changes["asset_id"] = {"previous": None, "new": str(asset.id)}
    _emit(context, ticket_id, after, changes)
    updated = sorted(changes.keys() - {"updated_at", "is_closed", "closed_at"})
    return ActionResult(
        entity_type="ticket",
        entity_id=ticket_id,
        external_id=values["external_id"],
        changed=bool(changes),
        message=f"ticket {before['number']} {'updated' if changes else 'has these values already'}",
        metadata={"ticket_number": before["number"], "updated_fields": updated},
    )


def _after(context: ActionContext, values: Mapping[str, Any], before: Row, choice: TicketChoice) -> Row:
    after = dict(before)
    for field in ("board_id", "status_id"):
        if field in values and values[field] is None:
            raise ActionError(ErrorCode.VALIDATION_ERROR, f"{field} must not be null", field)
    after.update({field: values[field] for field in ("title", "description") if field in values})
    if "due_date" in values:
        due_date = values["due_date"]
        after["due_date"] = None if due_date is None else datetime.fromisoformat(due_date)
    if "attributes" in values:
        after["attributes"] = _attributes(before["attributes"], values["attributes"])
    for field in ("priority_id", "assigned_to", "assigned_team_id"):
        if field in values:
            entity = choice.of(field)
            after[field] = None if entity is None else entity.id
    client, board = choice.client(), choice.of("board_id")
    after["client_id"] = before["client_id"] if client is None else client.id
    after["board_id"] = before["board_id"] if board is None else board.id
    _place(context, values, after, choice)
    _set_status(context, before, after, choice)
    if _changes(before, after):
        after["updated_at"] = context.now
    return after


def _attributes(before: dict[str, Any], patch: dict[str, Any] | None) -> dict[str, Any]:
    if patch is None:
        return {}
    merged: dict[str, Any] = merge_patch(before, patch)
    if len(orjson.dumps(merged)) > ATTRIBUTES_BYTES_MAX:
        message = f"attributes would be larger than {ATTRIBUTES_BYTES_MAX} bytes after the merge"
        raise ActionError(ErrorCode.VALIDATION_ERROR, message, "attributes")
    return merged


def _place(context: ActionContext, values: Mapping[str, Any], after: Row, choice: TicketChoice) -> None:
    """Category, subcategory, location and contact: the mapped ones must fit, the others are kept while they fit."""
    category_before = after["category_id"]
    after.update(context.tx.rows(QUERIES["fitting_parts"], {"tenant_id": context.tenant_id} | after)[0])
    owner = f"client {after['client_id']}"
    if "category_id" in values:
        category = choice.category(after["board_id"])
        after["category_id"] = None if category is None else category.id
    if after["category_id"] != category_before:
        after["subcategory_id"] = None
    if "subcategory_id" in values:
        subcategory = choice.subcategory(after["category_id"])
        after["subcategory_id"] = None if subcategory is None else subcategory.id
    for field in ("location_id", "contact_id"):
        if field in values:
            part = choice.of_parent(field, after["client_id"], owner)
            after[field] = None if part is None else part.id


def _set_status(context: ActionContext, before: Row, after: Row, choice: TicketChoice) -> None:
    """The mapped status, else on a new board the one of the same name; closed is what the status is."""
    status = choice.of_parent("status_id", after["board_id"], f"board {after['board_id']}")
    if status is not None:
        after["status_id"], after["is_closed"] = status.id, status.is_closed
    elif after["board_id"] != before["board_id"]:
        after["status_id"] = _status_on_new_board(context, before, after["board_id"])
    if not after["is_closed"]:
        after["closed_at"] = None
    elif not before["is_closed"]:
        after["closed_at"] = context.now


def _status_on_new_board(context: ActionContext, before: Row, board_id: UUID) -> UUID:
    parameters = {"tenant_id": context.tenant_id, "board_id": board_id, "current_status_id": before["status_id"]}
    statuses = [
        status
        for status in context.tx.rows(QUERIES["statuses_of_board"], parameters)
        if status["is_closed"] == before["is_closed"]
    ]
    same_name = [status["id"] for status in statuses if status["has_name"]]
    preferred = same_name or [status["id"] for status in statuses if status["is_default"] or before["is_closed"]]
    if not preferred:
        message = f"board_id: board {board_id} has no {'closed' if before['is_closed'] else 'default'} status"
        raise ActionError(ErrorCode.VALIDATION_ERROR, message, "board_id")
    chosen: UUID = preferred[0]
    return chosen


def _changes(before: Row, after: Row) -> dict[str, Any]:
    return {
        field: {"previous": json_value(before[field]), "new": json_value(after[field])}
        for field in before
        if before[field] != after[field]
    }


def _link_asset(context: ActionContext, ticket_id: UUID, asset_id: UUID) -> bool:
    rows = orjson.dumps([{"ticket_id": ticket_id, "asset_id": asset_id}]).decode()
    return context.tx.execute(QUERIES["insert_assets"], {"tenant_id": context.tenant_id, "rows": rows}) == 1


def _emit(context: ActionContext, ticket_id: UUID, after: Row, changes: Mapping[str, Any]) -> None:
    """One event per kind of change; `updated` has what no other event tells."""
    document = ticket_document(after)
    plain = {name for name in changes if name not in _STATUS_FIELDS | _ASSIGNMENT_FIELDS | {"updated_at"}}
    told = [("ticket.updated", plain), ("ticket.assigned", changes.keys() & _ASSIGNMENT_FIELDS)]
    if "status_id" in changes:
        told.append(("ticket.status_changed", changes.keys() & _STATUS_FIELDS))
        if after["is_closed"] and "is_closed" in changes:
            told.append(("ticket.closed", {"closed_at"}))
    for event_type, names in told:
        if names:
            of_event = {name: changes[name] for name in sorted(names)}
            context.emit(event_type, "ticket", ticket_id, data=document, changes=of_event)
