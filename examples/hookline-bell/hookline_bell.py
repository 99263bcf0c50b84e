"""ringBell: call somebody to a ticket, with an internal comment on it and an event that others may act on."""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.actions import (
    EXTERNAL_IDS_OF,
    ActionContext,
    ActionDefinition,
    ActionError,
    ActionOption,
    ActionResult,
    Command,
    FieldType,
    TargetField,
)
from schemas.records import ErrorCode

Row = Mapping[str, Any]

_LOCK_TICKETS = """
SELECT id, number, is_closed FROM tickets WHERE tenant_id = %(tenant_id)s AND id = ANY(%(ids)s) ORDER BY id FOR UPDATE
"""
_INSERT_COMMENTS = """
INSERT INTO ticket_comments
    (tenant_id, id, ticket_id, content, author_type, webhook_id, delivery_id, is_internal, created_at)
SELECT %(tenant_id)s, c.id, c.ticket_id, c.content, 'webhook', c.webhook_id, c.delivery_id, true, %(now)s
FROM unnest(%(ids)s::uuid[], %(ticket_ids)s::uuid[], %(contents)s::text[], %(webhook_ids)s::uuid[],
            %(delivery_ids)s::uuid[]) AS c (id, ticket_id, content, webhook_id, delivery_id)
"""


def ring(context: ActionContext, values: Mapping[str, Any]) -> ActionResult:
    """One command. Raises ActionError."""
    [answer] = ring_many([(context, values)])
    if isinstance(answer, ActionError):
        raise answer
    return answer


def ring_many(commands: Sequence[Command]) -> list[ActionResult | ActionError]:
    """Commands of one tenant, answered in their order; their tickets are locked and their comments written at once."""
    context = commands[0][0]
    ticket_ids = [one.find("ticket", values["external_id"]) for one, values in commands]
    key = {"tenant_id": context.tenant_id, "ids": [ticket_id for ticket_id in ticket_ids if ticket_id is not None]}
    tickets: dict[Any, Row] = {row["id"]: row for row in context.tx.rows(_LOCK_TICKETS, key)}
    answers = [_ring(*command, tickets.get(ticket_id)) for command, ticket_id in zip(commands, ticket_ids, strict=True)]
    commented = [
        (one, values, answer.entity_id)
        for (one, values), answer in zip(commands, answers, strict=True)
        if isinstance(answer, ActionResult) and one.options["comment"] == "write"
    ]
    if commented:
        rows = {
            "tenant_id": context.tenant_id,
            "now": context.now,
            "ids": [one.new_id() for one, _, _ in commented],
            "ticket_ids": [ticket_id for _, _, ticket_id in commented],
            "contents": [f"The bell was rung: {values['reason']}" for _, values, _ in commented],
            "webhook_ids": [one.webhook_id for one, _, _ in commented],
            "delivery_ids": [one.delivery_id for one, _, _ in commented],
        }
        context.tx.execute(_INSERT_COMMENTS, rows)
    return answers


def _ring(context: ActionContext, values: Mapping[str, Any], ticket: Row | None) -> ActionResult | ActionError:
    external_id = values["external_id"]
    if ticket is None:
        message = f"external_id: no ticket is mapped to external id {external_id!r}"
        return ActionError(ErrorCode.LOOKUP_MISS, message, "external_id")
    if ticket["is_closed"]:
        return ActionError(ErrorCode.CONFLICT, f"ticket {ticket['number']} is closed", "external_id")
    urgency = values.get("urgency") or "quiet"
    data = {"ticket_number": ticket["number"], "reason": values["reason"], "urgency": urgency}
    context.emit("bell.rung", "ticket", ticket["id"], data=data)
    return ActionResult(
        entity_type="ticket",
        entity_id=ticket["id"],
        external_id=external_id,
        message=f"rang the bell for ticket {ticket['number']}",
        metadata={"urgency": urgency},
    )


ACTIONS = (
    ActionDefinition(
        name="ringBell",
        entity_type="ticket",
        display_name="Ring the bell",
        description="Call somebody to the ticket that the external id is mapped to.",
        target_fields=(
            TargetField(
                name="external_id", type=FieldType.STRING, description="The ticket's external id", required=True
            ),
            TargetField(
                name="reason", type=FieldType.STRING, description="Why it is rung", required=True, max_length=500
            ),
            TargetField(
                name="urgency",
                type=FieldType.ENUM,
                description="How loud it is; quiet unless mapped",
                enum_values=("quiet", "loud"),
            ),
        ),
        options=(ActionOption(name="comment", enum_values=("write", "skip"), default="write"), EXTERNAL_IDS_OF),
        handle=ring,
        handle_many=ring_many,
    ),
)
