"""The fields of a time entry."""

from schemas.actions import FieldType, RefEntityType, TargetField
from sinks.actions.fields import ref_field, text_field
from sinks.actions.references import FieldTypes

WORK_ITEM_TYPES = ("ticket", "project_task", "non_billable_category", "ad_hoc", "interaction")
NOTES_LENGTH_MAX = 20_000
DURATION_MINUTES_MAX = 1_440

CREATE_FIELDS = (
    text_field("external_id", "The sender's id of the entry; later requests find it by it"),
    ref_field("user_id", RefEntityType.USER, "Who worked, by id, e-mail or username", required=True),
    TargetField(
        name="work_item_type",
        type=FieldType.ENUM,
        description="What was worked on; ad_hoc: nothing that was planned, so it takes no work item",
        required=True,
        enum_values=WORK_ITEM_TYPES,
    ),
    ref_field(
        "work_item_id",
        RefEntityType.WORK_ITEM,
        "The work item, by id; a ticket also by its number, a non-billable category by its name",
    ),
    text_field("work_item_external_id", "The work item, a ticket or a project task, by the sender's id"),
    ref_field("service_id", RefEntityType.SERVICE, "The service it is sold as, by id or name", required=True),
    TargetField(name="start_time", type=FieldType.DATETIME, description="When the work began", required=True),
    TargetField(
        name="duration_minutes",
        type=FieldType.INT,
        description="How long it took, in minutes",
        required=True,
        minimum=1,
        maximum=DURATION_MINUTES_MAX,
    ),
    text_field("notes", "What was done", max_length=NOTES_LENGTH_MAX),
    TargetField(
        name="is_billable",
        type=FieldType.BOOLEAN,
        description="Whether the client is billed for it; else true, but a non-billable category never is",
    ),
    text_field("tax_region", "The region whose tax applies"),
)
#: The work item is not among them: what it is depends on its type.
TYPES = FieldTypes({"user_id": RefEntityType.USER, "service_id": RefEntityType.SERVICE}, {})
