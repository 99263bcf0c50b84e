"""The fields of the actions on tasks of projects."""

from schemas.actions import FieldType, RefEntityType, TargetField
from sinks.actions.fields import ref_field, text_field
from sinks.actions.references import FieldTypes

DESCRIPTION_LENGTH_MAX = 100_000
CREATE_FIELDS = (
    text_field("external_id", "The sender's id of the task; later requests find it by it"),
    ref_field("project_id", RefEntityType.PROJECT, "The project, by id or name"),
    text_field("project_external_id", "The project, by the sender's id"),
    ref_field("phase_id", RefEntityType.PROJECT_PHASE, "A phase of the project; else its first"),
    ref_field(
        "status_id",
        RefEntityType.PROJECT_STATUS,
        "A status of the project, or one of all projects; else the first open",
    ),
    text_field("task_name", "What is to be done", required=True, max_length=500),
    text_field("description", "Full text", max_length=DESCRIPTION_LENGTH_MAX),
    ref_field("assigned_to", RefEntityType.USER, "The user who works on it, by id, e-mail or username"),
    TargetField(name="estimated_hours", type=FieldType.NUMBER, description="Hours it should take", minimum=0),
    TargetField(name="due_date", type=FieldType.DATETIME, description="When it is due"),
    ref_field("priority_id", RefEntityType.TICKET_PRIORITY, "The priority"),
    text_field("task_type_key", "What kind of task it is; else task"),
    ref_field("service_id", RefEntityType.SERVICE, "The service it is sold as"),
)
STATUS_FIELDS = (
    text_field("external_id", "The sender's id of the task", required=True),
    ref_field(
        "status_id",
        RefEntityType.PROJECT_STATUS,
        "A status of the task's project, or one of all projects",
        required=True,
    ),
)
TYPES = FieldTypes(
    {field.name: field.ref_entity_type for field in CREATE_FIELDS if field.ref_entity_type is not None},
    {"project_external_id": RefEntityType.PROJECT},
)
STATUS_TYPES = FieldTypes({"status_id": RefEntityType.PROJECT_STATUS}, {})
