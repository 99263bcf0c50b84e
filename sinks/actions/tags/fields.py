"""The fields of a tag on an entity."""

import re

from infra.entities.patterns import COLOR_PATTERN
from schemas.actions import FieldType, RefEntityType, TargetField
from sinks.actions.fields import ref_field, text_field
from sinks.actions.references import FieldTypes

TAGGED_TYPES = ("client", "contact", "ticket", "asset", "project", "project_task")
FIELDS = (
    TargetField(
        name="entity_type",
        type=FieldType.ENUM,
        description="What kind of entity is tagged",
        required=True,
        enum_values=TAGGED_TYPES,
    ),
    text_field("external_id", "The sender's id of that entity", required=True),
    text_field("tag_text", "What the tag says; any case of its letters is the same tag", required=True, max_length=50),
    text_field("background_color", "The colour of a new tag, as #rrggbb", max_length=7),
    text_field("text_color", "The colour of a new tag's text, as #rrggbb", max_length=7),
    ref_field("created_by", RefEntityType.USER, "Who a new tag is by: the user's id, e-mail or username"),
)
REFERENCES = FieldTypes({"created_by": RefEntityType.USER}, {})
COLOR = re.compile(COLOR_PATTERN)
COLOR_FIELDS = ("background_color", "text_color")
