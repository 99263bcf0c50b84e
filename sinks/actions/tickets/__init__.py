"""The ticket actions, offered through the entry-point group `hookline.actions`."""

from schemas.actions import EXTERNAL_IDS_OF, ON_EXISTING, ActionDefinition
from sinks.actions.tickets.create import create_ticket, create_tickets
from sinks.actions.tickets.fields import CREATE_FIELDS

CREATE_TICKET = ActionDefinition(
    name="createTicket",
    entity_type="ticket",
    display_name="Create ticket",
    description="Open a ticket for a client, and remember the sender's id for it",
    target_fields=CREATE_FIELDS,
    required_one_of=(("client_id", "client_external_id"),),
    options=(ON_EXISTING, EXTERNAL_IDS_OF),
    handle=create_ticket,
    handle_many=create_tickets,
)
ACTIONS = (CREATE_TICKET,)
