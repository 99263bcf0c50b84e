"""addTicketCommentByExternalId, for many commands of one tenant at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from infra.entities.documents import document
from schemas.actions import ActionContext, ActionError, ActionResult, Command
from schemas.encoding import record_bytes
from sinks.actions.choice import invalid
from sinks.actions.entity_set import EntitySet, decide_each
from sinks.actions.tickets.choice import TicketChoice
from sinks.actions.tickets.fields import COMMENT_TYPES
from sinks.actions.tickets.kind import QUERIES, TICKETS

Row = dict[str, Any]
_TICK = timedelta(microseconds=1)


def add_comments(commands: Sequence[Command]) -> list[ActionResult | ActionError]:
    """Run additions of comments: a fixed number of statements for all of them."""
    context = commands[0][0]
    tickets = EntitySet(commands, TICKETS, COMMENT_TYPES)
    key = {"tenant_id": context.tenant_id, "ids": list(tickets.rows)}
    last = {row["id"]: row["last_at"] for row in context.tx.rows(QUERIES["read_last_comments"], key)}
    comments: list[Row] = []

    def decide(context: ActionContext, values: Mapping[str, Any]) -> ActionResult:
        ticket = tickets.require(context, values)
        choice = TicketChoice(context, values, tickets.references)
        comment = _comment(context, values, ticket, choice)
        comment["created_at"] = last[ticket["id"]] = _time_of_comment(last.get(ticket["id"]), context.now)
        comments.append(comment)
        return _added(context, values, ticket, comment)

    answers = decide_each(commands, decide)
    if comments:
        rows = {"tenant_id": context.tenant_id, "rows": record_bytes(comments).decode()}
        context.tx.execute(QUERIES["insert_comments"], rows)
    return answers


def _time_of_comment(last: datetime | None, now: datetime) -> datetime:
    """`now`, or just after the ticket's last comment: a batch has one time, but comments are read in their order."""
    return now if last is None or last < now else last + _TICK


def _comment(context: ActionContext, values: Mapping[str, Any], ticket: Row, choice: TicketChoice) -> Row:
    user, contact = choice.of("author_id"), choice.of_client("contact_id", ticket["client_id"])
    if user is not None and contact is not None:
        raise invalid("contact_id", "author_id and contact_id name two authors; a comment has one")
    is_internal = values.get("is_internal")
    if contact is not None and is_internal:
        raise invalid("is_internal", "is_internal: what a contact writes cannot be internal")
    return {
        "id": context.new_id(),
        "ticket_id": ticket["id"],
        "content": values["content"],
        "author_type": "user" if user is not None else "contact" if contact is not None else "webhook",
        "user_id": None if user is None else user.id,
        "contact_id": None if contact is None else contact.id,
        "webhook_id": context.webhook_id,
        "delivery_id": context.delivery_id,
        "is_internal": contact is None if is_internal is None else is_internal,
        "is_resolution": bool(values.get("is_resolution")),
    }


def _added(context: ActionContext, values: Mapping[str, Any], ticket: Row, comment: Row) -> ActionResult:
    data = TICKETS.document(ticket) | {"comment": document(comment)}
    context.emit("ticket.comment_added", TICKETS.entity_type, ticket["id"], data=data)
    return ActionResult(
        entity_type=TICKETS.entity_type,
        entity_id=ticket["id"],
        external_id=values["external_id"],
        message=f"comment added to ticket {ticket['number']}",
        metadata={"ticket_number": ticket["number"], "comment_id": str(comment["id"])},
    )
