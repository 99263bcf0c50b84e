"""The contact actions, offered through the entry-point group `hookline.actions`."""

from schemas.actions import EXTERNAL_IDS_OF, ON_DUPLICATE, ActionDefinition
from sinks.actions.contacts.fields import UPSERT_FIELDS
from sinks.actions.contacts.upsert import upsert_contacts
from sinks.actions.entity_set import alone

UPSERT_CONTACT = ActionDefinition(
    name="upsertContactByExternalId",
    entity_type="contact",
    display_name="Create or update contact",
    description="Create the contact of the sender's id, or update it",
    target_fields=UPSERT_FIELDS,
    options=(ON_DUPLICATE, EXTERNAL_IDS_OF),
    handle=alone(upsert_contacts),
    handle_many=upsert_contacts,
)
ACTIONS = (UPSERT_CONTACT,)
