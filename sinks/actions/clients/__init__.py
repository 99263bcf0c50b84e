"""The client actions, offered through the entry-point group `hookline.actions`."""

from schemas.actions import EXTERNAL_IDS_OF, ON_DUPLICATE, ActionDefinition
from sinks.actions.clients.activity import set_clients_active
from sinks.actions.clients.fields import SET_ACTIVE_FIELDS, UPSERT_FIELDS
from sinks.actions.clients.upsert import upsert_clients
from sinks.actions.entity_set import alone

UPSERT_CLIENT = ActionDefinition(
    name="upsertClientByExternalId",
    entity_type="client",
    display_name="Create or update client",
    description="Create the client of the sender's id, or update it",
    target_fields=UPSERT_FIELDS,
    options=(ON_DUPLICATE, EXTERNAL_IDS_OF),
    handle=alone(upsert_clients),
    handle_many=upsert_clients,
)
SET_CLIENT_ACTIVE = ActionDefinition(
    name="setClientActiveByExternalId",
    entity_type="client",
    display_name="Set client active",
    description="Take the client of the sender's id into service, or out of it",
    target_fields=SET_ACTIVE_FIELDS,
    options=(EXTERNAL_IDS_OF,),
    handle=alone(set_clients_active),
    handle_many=set_clients_active,
)
ACTIONS = (UPSERT_CLIENT, SET_CLIENT_ACTIVE)
