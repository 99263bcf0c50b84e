"""Tasks of projects: where they begin, what must be of one project, when they are complete."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from sinks.actions.execution import Outcome
from sinks.actions.projects import CREATE_PROJECT_TASK, UPDATE_PROJECT_TASK_STATUS
from tests.support.actions import ActionBase, add, add_mapping, add_tenant, refusal_of, request_of, row_of, take_events
from tests.support.statements import statements_of

CREATE, STATUS = "createProjectTask", "updateProjectTaskStatusByExternalId"


@pytest.fixture
def base(migrated_dsn: str) -> ActionBase:
    return ActionBase.prepare(migrated_dsn)


def request(base: ActionBase, fields: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    return request_of(base, CREATE, {"project_id": "Server rollout", "task_name": "Order"} | dict(fields), **members)


def create(base: ActionBase, fields: Mapping[str, Any] | None = None, **members: Any) -> Outcome:
    (outcome,) = base.run(request(base, fields or {}, **members))
    return outcome


def set_status(base: ActionBase, status: Any, external_id: Any = "T-1") -> Outcome:
    (outcome,) = base.run(request_of(base, STATUS, {"external_id": external_id, "status_id": status}))
    return outcome


def task_of(base: ActionBase, outcome: Outcome) -> dict[str, Any]:
    return row_of(base, "project_tasks", outcome)


def add_project(base: ActionBase, name: str = "Office move", **columns: Any) -> UUID:
    return add(base, "projects", **({"client_id": base.tenant.ids["client"], "name": name} | columns))


def test_project_and_name_give_a_task_in_the_first_phase_with_the_first_open_status(base: ActionBase) -> None:
    outcome = create(base)
    task, ids = task_of(base, outcome), base.tenant.ids
    assert (task["project_id"], task["phase_id"], task["status_id"]) == (ids["project"], ids["planning"], ids["to_do"])
    assert (task["task_type_key"], task["is_closed"], task["completed_at"]) == ("task", False, None)
    assert (task["webhook_id"], outcome.body["external_id"], outcome.body["created"]) == (base.webhook_id, None, True)
    optional = ("description", "assigned_to", "estimated_hours", "due_date", "priority_id", "service_id")
    assert {task[name] for name in optional} == {None}
    (event,) = take_events(base)
    assert (event["type"], event["data"]["id"]) == ("project_task.created", str(task["id"]))
    assert base.count("external_entity_mappings") == 0
    cleared = dict.fromkeys((*optional, "phase_id", "status_id", "task_type_key", "external_id", "project_external_id"))
    twin = task_of(base, create(base, cleared))
    apart = ("id", "delivery_id", "created_at", "updated_at")
    assert {name: twin[name] for name in twin if name not in apart} == {
        name: task[name] for name in task if name not in apart
    }


def test_every_field_is_stored(base: ActionBase) -> None:
    add_mapping(base, "project", "P-1", base.tenant.ids["project"])
    fields = {
        "external_id": "T-1",
        "project_id": ...,
        "project_external_id": "P-1",
        "phase_id": "rollout",
        "status_id": "IN PROGRESS",
        "task_name": "x" * 500,
        "description": "Two lines\nof text",
        "assigned_to": "Technician@demo.example",
        "estimated_hours": "1.5",
        "due_date": "2026-03-01T10:00:00+01:00",
        "priority_id": "high",
        "task_type_key": "milestone",
        "service_id": "remote support",
    }
    task, ids = task_of(base, create(base, fields)), base.tenant.ids
    expected = {
        "project_id": ids["project"],
        "phase_id": ids["rollout"],
        "status_id": ids["doing"],
        "task_name": "x" * 500,
        "description": "Two lines\nof text",
        "assigned_to": ids["technician"],
        "estimated_hours": 1.5,
        "due_date": datetime(2026, 3, 1, 9, 0, tzinfo=UTC),
        "priority_id": ids["high"],
        "task_type_key": "milestone",
        "service_id": ids["service"],
    }
    assert {name: task[name] for name in expected} == expected
    (mapping,) = base.rows("SELECT * FROM external_entity_mappings WHERE entity_type = 'project_task'")
    assert (mapping["external_id"], mapping["entity_id"]) == ("T-1", task["id"])
    for hours in ("1" + "0" * 300, 0):
        assert task_of(base, create(base, {"estimated_hours": hours}))["estimated_hours"] == float(hours)


def test_a_closed_status_completes_a_new_task(base: ActionBase) -> None:
    task = task_of(base, create(base, {"status_id": "Done"}))
    assert task["completed_at"] == task["created_at"]
    assert [event["type"] for event in take_events(base)] == ["project_task.created"]


def test_what_does_not_fit_names_its_field_and_writes_nothing(base: ActionBase) -> None:
    other = add_project(base)
    add(base, "project_phases", project_id=other, name="Packing", position=1)
    add(base, "project_statuses", project_id=other, name="Packed", position=1)
    add_project(base, "Twin", client_id=add(base, "clients", name="Other Ltd"))
    add_project(base, "Twin")
    add_project(base, "Closed", is_active=False)
    add_mapping(base, "project", "P-2", other)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"task_name": None}, "task_name"),
        ({"task_name": "x" * 501}, "task_name"),
        ({"project_id": ...}, "project_id"),
        ({"project_id": "Nothing"}, "project_id"),
        ({"project_id": "Twin"}, "project_id"),
        ({"project_id": "Closed"}, "project_id"),
        ({"project_external_id": "P-2"}, "project_external_id"),
        ({"phase_id": "Packing"}, "phase_id"),
        ({"phase_id": str(uuid4())}, "phase_id"),
        ({"status_id": "Packed"}, "status_id"),
        ({"estimated_hours": -0.5}, "estimated_hours"),
        ({"estimated_hours": "1e3"}, "estimated_hours"),
        ({"assigned_to": "nobody"}, "assigned_to"),
        ({"priority_id": "urgent"}, "priority_id"),
        ({"service_id": "none"}, "service_id"),
        ({"due_date": "tomorrow"}, "due_date"),
    ]
    outcomes = base.run(*(request(base, fields) for fields, _ in cases))
    for (fields, path), outcome in zip(cases, outcomes, strict=True):
        assert refusal_of(outcome) == ("VALIDATION_ERROR", f"field_mapping.{path}"), fields
    assert base.count("project_tasks") == base.count("outbox") == 0
    unmapped = create(base, {"project_id": ..., "project_external_id": "P-9"})
    assert refusal_of(unmapped) == ("LOOKUP_MISS", "field_mapping.project_external_id")


def test_rows_of_another_tenant_are_as_if_missing(base: ActionBase) -> None:
    tenant = add_tenant(base)
    client = add(base, "clients", tenant_id=tenant, name="Theirs")
    project = add_project(base, "Their project", tenant_id=tenant, client_id=client)
    theirs = {
        "project_id": project,
        "phase_id": add(base, "project_phases", tenant_id=tenant, project_id=project, name="Planning", position=1),
        "status_id": add(base, "project_statuses", tenant_id=tenant, name="To do", position=1),
        "assigned_to": add(base, "users", tenant_id=tenant, email="them@other.example", username="them"),
        "priority_id": add(base, "ticket_priorities", tenant_id=tenant, name="High", level=1),
        "service_id": add(base, "services", tenant_id=tenant, name="Remote support"),
    }
    create(base, {"external_id": "T-1"})
    outcomes = base.run(*(request(base, {field: str(row_id)}) for field, row_id in theirs.items()))
    for field, outcome in zip(theirs, outcomes, strict=True):
        assert refusal_of(outcome) == ("VALIDATION_ERROR", f"field_mapping.{field}")
    foreign = set_status(base, str(theirs["status_id"]))
    assert refusal_of(foreign) == ("VALIDATION_ERROR", "field_mapping.status_id")
    assert base.count("project_tasks") == 1


def test_a_project_begins_with_its_own_statuses_and_needs_a_phase_and_an_open_one(base: ActionBase) -> None:
    project = add_project(base)
    fields = {"project_id": "Office move"}
    assert refusal_of(create(base, fields)) == ("VALIDATION_ERROR", "field_mapping.phase_id")
    add(base, "project_phases", project_id=project, name="Later", position=2)
    add(base, "project_phases", project_id=project, name="Gone", position=0, is_active=False)
    packing = add(base, "project_phases", project_id=project, name="Packing", position=1)
    assert task_of(base, create(base, fields))["status_id"] == base.tenant.ids["to_do"]
    packed = add(base, "project_statuses", project_id=project, name="Packed", position=1, is_closed=True)
    refused = create(base, fields)
    assert refusal_of(refused) == ("VALIDATION_ERROR", "field_mapping.status_id")
    assert str(project) in refused.body["message"]
    add(base, "project_statuses", project_id=project, name="Late", position=9)
    boxed = add(base, "project_statuses", project_id=project, name="In boxes", position=5)
    task = task_of(base, create(base, fields))
    assert (task["phase_id"], task["status_id"]) == (packing, boxed)
    assert task_of(base, create(base, fields | {"status_id": "packed"}))["status_id"] == packed
    assert task_of(base, create(base, fields | {"status_id": "Done"}))["status_id"] == base.tenant.ids["done"]


def test_a_name_means_the_status_of_the_project_before_the_one_of_all_projects(base: ActionBase) -> None:
    project = add_project(base)
    add(base, "project_phases", project_id=project, name="Packing", position=1)
    own = add(base, "project_statuses", project_id=project, name="Done", position=1, is_closed=True)
    ids = base.tenant.ids
    fields = {"project_id": "Office move", "status_id": "To do", "external_id": "T-1"}
    elsewhere = {"status_id": "Done"}
    mine, others = base.run(request(base, fields), request(base, elsewhere))
    assert task_of(base, mine)["status_id"] == ids["to_do"]
    assert task_of(base, others)["status_id"] == ids["done"]
    assert task_of(base, set_status(base, "DONE"))["status_id"] == own
    assert task_of(base, set_status(base, str(ids["done"])))["status_id"] == ids["done"]
    create(base, {"external_id": "T-2"})
    assert refusal_of(set_status(base, str(own), "T-2")) == ("VALIDATION_ERROR", "field_mapping.status_id")


def test_done_completes_a_task_once_and_an_open_status_takes_it_back(base: ActionBase) -> None:
    create(base, {"external_id": "T-1"})
    archived = add(base, "project_statuses", name="Archived", position=9, is_closed=True)
    take_events(base)
    done = set_status(base, "done")
    task = task_of(base, done)
    assert (task["is_closed"], task["completed_at"]) == (True, task["updated_at"])
    changed, completed = take_events(base)
    assert (changed["type"], completed["type"]) == ("project_task.status_changed", "project_task.completed")
    assert changed["changes"]["is_closed"] == {"previous": False, "new": True}
    assert completed["changes"].keys() == {"completed_at"}
    again = set_status(base, "Done")
    assert (again.body["changed"], take_events(base)) == (False, [])
    kept = task_of(base, set_status(base, "Archived"))
    assert (kept["status_id"], kept["completed_at"]) == (archived, task["completed_at"])
    assert [event["type"] for event in take_events(base)] == ["project_task.status_changed"]
    reopened = task_of(base, set_status(base, "To do"))
    assert (reopened["is_closed"], reopened["completed_at"]) == (False, None)
    assert [event["type"] for event in take_events(base)] == ["project_task.status_changed"]


def test_a_status_of_an_unmapped_id_is_a_miss_and_one_that_is_missing_is_named(base: ActionBase) -> None:
    create(base, {"external_id": "T-1"})
    assert refusal_of(set_status(base, "Done", "T-2")) == ("LOOKUP_MISS", "field_mapping.external_id")
    for status in ("Nope", None, ..., ""):
        assert refusal_of(set_status(base, status)) == ("VALIDATION_ERROR", "field_mapping.status_id")


def test_the_same_id_again_is_a_conflict_or_left_or_updated_as_the_option_says(base: ActionBase) -> None:
    first = create(base, {"external_id": "T-1", "description": "Old", "estimated_hours": 2})
    before = task_of(base, first)
    take_events(base)
    fields = {
        "external_id": "T-1",
        "task_name": "Order two",
        "assigned_to": "technician",
        "status_id": "Done",
        "estimated_hours": None,
    }
    failed = create(base, fields)
    assert refusal_of(failed) == ("CONFLICT", "field_mapping.external_id")
    assert str(before["id"]) in failed.body["message"]
    ignored = create(base, fields, options={"on_existing": "ignore"})
    assert (ignored.body["entity_id"], ignored.body["changed"]) == (str(before["id"]), False)
    assert (task_of(base, first), take_events(base)) == (before, [])
    updated = create(base, fields, options={"on_existing": "update"})
    assert updated.body["metadata"] == {"updated_fields": ["assigned_to", "estimated_hours", "status_id", "task_name"]}
    after = task_of(base, updated)
    assert (after["id"], after["task_name"], after["description"]) == (before["id"], "Order two", "Old")
    assert (after["assigned_to"], after["estimated_hours"]) == (base.tenant.ids["technician"], None)
    told = [(event["type"], sorted(event["changes"])) for event in take_events(base)]
    assert told == [
        ("project_task.updated", ["estimated_hours", "task_name"]),
        ("project_task.assigned", ["assigned_to"]),
        ("project_task.status_changed", ["completed_at", "is_closed", "status_id"]),
        ("project_task.completed", ["completed_at"]),
    ]
    again = create(base, fields, options={"on_existing": "update"})
    assert (again.body["changed"], take_events(base)) == (False, [])
    for field in ("phase_id", "status_id"):
        cleared = create(base, {"external_id": "T-1", field: None}, options={"on_existing": "update"})
        assert refusal_of(cleared) == ("VALIDATION_ERROR", f"field_mapping.{field}")


def test_a_task_that_moves_to_another_project_gets_a_phase_and_a_status_of_it(base: ActionBase) -> None:
    project = add_project(base)
    packing = add(base, "project_phases", project_id=project, name="Packing", position=1)
    boxed = add(base, "project_statuses", project_id=project, name="In boxes", position=1)
    update = {"options": {"on_existing": "update"}}
    create(base, {"external_id": "T-1", "status_id": "In progress"})
    there = task_of(base, create(base, {"external_id": "T-1", "project_id": "Office move"}, **update))
    assert (there["project_id"], there["phase_id"]) == (project, packing)
    assert there["status_id"] == base.tenant.ids["doing"]
    set_status(base, "In boxes")
    back = task_of(base, create(base, {"external_id": "T-1", "phase_id": "Rollout"}, **update))
    assert (back["phase_id"], back["status_id"]) == (base.tenant.ids["rollout"], base.tenant.ids["to_do"])
    assert boxed not in {row["status_id"] for row in base.rows("SELECT status_id FROM project_tasks")}


def test_another_webhook_completes_a_task_by_the_ids_of_the_first(base: ActionBase) -> None:
    other = uuid4()
    base.register(other)
    add_mapping(base, "project", "P-1", base.tenant.ids["project"])
    members = {"webhook_id": str(other), "options": {"external_ids_of": str(base.webhook_id)}}
    made = create(base, {"external_id": "T-1", "project_id": ..., "project_external_id": "P-1"}, **members)
    task = task_of(base, made)
    assert task["webhook_id"] == other
    (mapping,) = base.rows("SELECT webhook_id FROM external_entity_mappings WHERE entity_type = 'project_task'")
    assert mapping["webhook_id"] == base.webhook_id
    done = {"external_id": "T-1", "status_id": "Done"}
    foreign, own = base.run(
        request_of(base, STATUS, done, webhook_id=str(other)), request_of(base, STATUS, done, **members)
    )
    assert refusal_of(foreign) == ("LOOKUP_MISS", "field_mapping.external_id")
    assert task_of(base, own)["is_closed"]


def test_a_batch_makes_every_task_but_the_bad_one_and_keeps_the_order_of_one_id(base: ActionBase) -> None:
    requests = [request(base, {"external_id": f"T-{number}"}) for number in range(20)]
    requests[7] = request(base, {"external_id": "T-7", "phase_id": "Nowhere"})
    requests += [
        request_of(base, STATUS, {"external_id": "T-3", "status_id": status}) for status in ("Done", "In progress")
    ]
    outcomes = base.run(*requests)
    failed = [number for number, outcome in enumerate(outcomes) if outcome.status == "failed"]
    assert failed == [7]
    assert base.count("project_tasks") == base.count("external_entity_mappings") == 19
    assert task_of(base, outcomes[3])["status_id"] == base.tenant.ids["doing"]
    assert len(take_events(base)) == 19 + 3


def test_a_set_of_any_size_takes_the_same_few_statements(base: ActionBase) -> None:
    update = {"options": {"on_existing": "update"}}
    done = {"status_id": "Done"}
    for definition, fields, members in (
        (CREATE_PROJECT_TASK, {"project_id": "Server rollout", "task_name": "Order", "priority_id": "High"}, {}),
        (CREATE_PROJECT_TASK, {"project_id": "Server rollout", "task_name": "Order two"}, update),
        (UPDATE_PROJECT_TASK_STATUS, done, {}),
    ):
        few, many = (
            statements_of(
                base,
                definition,
                [
                    request_of(base, definition.name, fields | {"external_id": f"T-{number}"}, **members)
                    for number in numbers
                ],
            )
            for numbers in (range(2), range(2, 9))
        )
        assert len(few) == len(many) <= 10


def test_tasks_that_come_at_once_under_one_id_are_one_task(base: ActionBase) -> None:
    update = {"options": {"on_existing": "update"}}
    requests = [request(base, {"external_id": "T-1", "task_name": f"Order {number}"}, **update) for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        outcomes = [outcome for batch in threads.map(base.run, requests) for outcome in batch]
    assert [outcome.status for outcome in outcomes] == ["dispatched"] * 8
    assert sum(outcome.body["created"] for outcome in outcomes) == base.count("project_tasks") == 1
    assert len({outcome.body["entity_id"] for outcome in outcomes}) == 1
