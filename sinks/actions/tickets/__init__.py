"""The ticket actions, offered through the entry-point group `hookline.actions`."""

from schemas.actions import EXTERNAL_IDS_OF, ON_EXISTING, ActionDefinition
from sinks.actions.entity_set import alone
from sinks.actions.tickets.comment import add_comments
from sinks.actions.tickets.create import create_tickets
from sinks.actions.tickets.fields import COMMENT_FIELDS, CREATE_FIELDS, STATUS_FIELDS, UPDATE_FIELDS
from sinks.actions.tickets.update import update_tickets

CREATE_TICKET = ActionDefinition(
    name="createTicket",
    entity_type="ticket",
    display_name="Create ticket",
    description="Open a ticket for a client, and remember the sender's id for it",
    target_fields=CREATE_FIELDS,
    required_one_of=(("client_id", "client_external_id"),),
    options=(ON_EXISTING, EXTERNAL_IDS_OF),
    handle=alone(create_tickets),
    handle_many=create_tickets,
)
UPDATE_TICKET = ActionDefinition(
    name="updateTicketByExternalId",
    entity_type="ticket",
    display_name="Update ticket",
    description="Change the mapped fields of the ticket that has the sender's id, and leave the others",
    target_fields=UPDATE_FIELDS,
    options=(EXTERNAL_IDS_OF,),
    handle=alone(update_tickets),
    handle_many=update_tickets,
)
ADD_TICKET_COMMENT = ActionDefinition(
    name="addTicketCommentByExternalId",
    entity_type="ticket",
    display_name="Add comment to ticket",
    description="Add a comment of a user, a contact or the webhook to the ticket that has the sender's id",
    target_fields=COMMENT_FIELDS,
    options=(EXTERNAL_IDS_OF,),
    handle=alone(add_comments),
    handle_many=add_comments,
)
CHANGE_TICKET_STATUS = ActionDefinition(
    name="changeTicketStatusByExternalId",
    entity_type="ticket",
    display_name="Change ticket status",
    description="Give the ticket that has the sender's id another status, on its board or on another one",
    target_fields=STATUS_FIELDS,
    options=(EXTERNAL_IDS_OF,),
    handle=alone(update_tickets),
    handle_many=update_tickets,
)
ACTIONS = (CREATE_TICKET, UPDATE_TICKET, ADD_TICKET_COMMENT, CHANGE_TICKET_STATUS)
