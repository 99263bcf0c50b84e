"""The tag actions, offered through the entry-point group `hookline.actions`."""

from schemas.actions import EXTERNAL_IDS_OF, ActionDefinition
from sinks.actions.entity_set import alone
from sinks.actions.tags.fields import FIELDS
from sinks.actions.tags.link import add_tags

ADD_TAG = ActionDefinition(
    name="addTagToEntityByExternalId",
    entity_type="tag",
    display_name="Add tag to entity",
    description="Put a tag on the entity of the sender's id; makes the tag if there is none of that text",
    target_fields=FIELDS,
    options=(EXTERNAL_IDS_OF,),
    handle=alone(add_tags),
    handle_many=add_tags,
)
ACTIONS = (ADD_TAG,)
