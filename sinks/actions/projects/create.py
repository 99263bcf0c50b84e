"""createProjectTask: a task in a phase of a project; one that is there already is updated where its option says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from schemas.actions import ActionContext, ActionError, ActionResult, Command
from sinks.actions.entity_set import EXTERNAL_ID, EntitySet, Row, created, decide_each, updated
from sinks.actions.existing import left_as_it_is
from sinks.actions.projects.defaults import ProjectDefaults, load_defaults
from sinks.actions.projects.fields import TYPES
from sinks.actions.projects.task import ALL_PROJECTS, TASK, TaskChoice, with_status
from sinks.actions.values import moment_of, overlaid, refuse_null

_DEFAULTS = {"task_type_key": "task"}
_PLAIN = ("task_name", "description", "task_type_key")
_REFERENCES = ("assigned_to", "priority_id", "service_id")


def create_tasks(commands: Sequence[Command]) -> list[ActionResult | ActionError]:
    """Run createProjectTask for many of one tenant."""
    tasks = EntitySet(commands, TASK, TYPES)
    creation = _Creation(tasks, load_defaults(commands[0][0], tasks.references))
    answers = decide_each(commands, creation.decide)
    tasks.write()
    return answers


@dataclass(frozen=True, slots=True)
class _Creation:
    tasks: EntitySet
    defaults: ProjectDefaults

    def decide(self, context: ActionContext, values: Mapping[str, Any]) -> ActionResult:
        before = self.tasks.find(context, values)
        choice = TaskChoice(context, values, self.tasks.references)
        if before is None:
            task = self._placed(_with_values(_blank(context), values, choice), choice, context.now)
            task = self.tasks.add(context, task, values.get(EXTERNAL_ID))
            return created(TASK, task, values, repr(task["task_name"]))
        result = left_as_it_is(context, TASK, before, values)
        if result is None:
            refuse_null(values, ("phase_id", "status_id"))
            after = self._placed(_with_values(before, values, choice), choice, context.now)
            result = updated(TASK, after, values, repr(after["task_name"]), self.tasks.change(context, after))
        return result

    def _placed(self, task: Row, choice: TaskChoice, now: datetime) -> Row:
        """`task` in its project, phase and status; what is not mapped stays while it belongs to the project."""
        project_id = choice.project().id
        phase = choice.phase(project_id)
        phase_id: UUID | None = task["phase_id"] if task["project_id"] == project_id else None
        if phase is not None:
            phase_id = phase.id
        placed = task | {
            "project_id": project_id,
            "phase_id": phase_id or self.defaults.phase_id(project_id),
        }
        status = choice.status(project_id)
        if status is None and task["status_scope_id"] not in (project_id, ALL_PROJECTS):
            status = self.defaults.status(project_id, is_closed=task["is_closed"])
        return placed if status is None else with_status(placed, status, now)


def _blank(context: ActionContext) -> Row:
    return {
        "id": context.new_id(),
        "project_id": None,
        "phase_id": None,
        "status_id": None,
        "status_scope_id": None,
        "is_closed": False,
        "description": None,
        "assigned_to": None,
        "estimated_hours": None,
        "due_date": None,
        "priority_id": None,
        "task_type_key": _DEFAULTS["task_type_key"],
        "service_id": None,
        "webhook_id": context.webhook_id,
        "delivery_id": context.delivery_id,
        "completed_at": None,
    }


def _with_values(task: Row, values: Mapping[str, Any], choice: TaskChoice) -> Row:
    after = overlaid(task, values, _PLAIN, _DEFAULTS)
    if "due_date" in values:
        after["due_date"] = moment_of(values["due_date"])
    if "estimated_hours" in values:
        hours = values["estimated_hours"]
        after["estimated_hours"] = None if hours is None else float(hours)
    for field in _REFERENCES:
        if field in values:
            entity = choice.of(field)
            after[field] = None if entity is None else entity.id
    return after
