"""The actions on time entries, offered through the entry-point group `hookline.actions`."""

from schemas.actions import EXTERNAL_IDS_OF, ON_EXISTING, ActionDefinition
from sinks.actions.entity_set import alone
from sinks.actions.time_entries.create import create_time_entries
from sinks.actions.time_entries.fields import CREATE_FIELDS

CREATE_TIME_ENTRY = ActionDefinition(
    name="createTimeEntry",
    entity_type="time_entry",
    display_name="Create time entry",
    description="Book time that a user worked on a ticket, a task or something else, on the user's time sheet",
    target_fields=CREATE_FIELDS,
    options=(ON_EXISTING, EXTERNAL_IDS_OF),
    handle=alone(create_time_entries),
    handle_many=create_time_entries,
)
ACTIONS = (CREATE_TIME_ENTRY,)
