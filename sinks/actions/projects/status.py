"""updateProjectTaskStatusByExternalId."""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.actions import ActionContext, ActionError, ActionResult, Command
from sinks.actions.choice import invalid
from sinks.actions.entity_set import EntitySet, decide_each, updated
from sinks.actions.projects.fields import STATUS_TYPES
from sinks.actions.projects.task import TASK, TaskChoice, with_status


def update_task_statuses(commands: Sequence[Command]) -> list[ActionResult | ActionError]:
    """Run updateProjectTaskStatusByExternalId for many of one tenant."""
    tasks = EntitySet(commands, TASK, STATUS_TYPES)

    def decide(context: ActionContext, values: Mapping[str, Any]) -> ActionResult:
        before = tasks.require(context, values)
        status = TaskChoice(context, values, tasks.references).status(before["project_id"])
        if status is None:
            raise invalid("status_id", "status_id is required")
        changes = tasks.change(context, with_status(before, status, context.now))
        return updated(TASK, before, values, repr(before["task_name"]), changes)

    answers = decide_each(commands, decide)
    tasks.write()
    return answers
