"""The actions on tasks of projects, offered through the entry-point group `hookline.actions`."""

from schemas.actions import EXTERNAL_IDS_OF, ON_EXISTING, ActionDefinition
from sinks.actions.entity_set import alone
from sinks.actions.projects.create import create_tasks
from sinks.actions.projects.fields import CREATE_FIELDS, STATUS_FIELDS
from sinks.actions.projects.status import update_task_statuses

CREATE_PROJECT_TASK = ActionDefinition(
    name="createProjectTask",
    entity_type="project_task",
    display_name="Create project task",
    description="Add a task to a project, and remember the sender's id for it",
    target_fields=CREATE_FIELDS,
    required_one_of=(("project_id", "project_external_id"),),
    options=(ON_EXISTING, EXTERNAL_IDS_OF),
    handle=alone(create_tasks),
    handle_many=create_tasks,
)
UPDATE_PROJECT_TASK_STATUS = ActionDefinition(
    name="updateProjectTaskStatusByExternalId",
    entity_type="project_task",
    display_name="Change project task status",
    description="Give the task of the sender's id another status; a closed one completes it",
    target_fields=STATUS_FIELDS,
    options=(EXTERNAL_IDS_OF,),
    handle=alone(update_task_statuses),
    handle_many=update_task_statuses,
)
ACTIONS = (CREATE_PROJECT_TASK, UPDATE_PROJECT_TASK_STATUS)
