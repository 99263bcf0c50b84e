"""Invoices, projects, time and tags through the API: the rules that each kind has of its own."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.entities import EXAMPLES, body_of, make_entity
from tests.support.events import check_events
from tests.support.management import ManagementBase
from tests.support.webhooks import create_webhook

Json = dict[str, Any]


def refused(answer: httpx.Response, status: int, member: str | None = None) -> None:
    details = {detail["path"] for detail in answer.json()["error"]["details"]}
    assert (answer.status_code, details) == (status, set() if member is None else {member}), answer.text


def patch(base: ManagementBase, kind: str, entity: Json, **members: Any) -> httpx.Response:
    return base.call("PATCH", f"{EXAMPLES[kind].path}/{entity['id']}", json=members)


def patched(base: ManagementBase, kind: str, entity: Json, **members: Any) -> Json:
    answer = patch(base, kind, entity, **members)
    assert answer.status_code == 200, answer.text
    changed: Json = answer.json()
    return changed


def post(base: ManagementBase, kind: str, **members: Any) -> httpx.Response:
    return base.call("POST", EXAMPLES[kind].path, json=body_of(base, kind, **members))


def types_told(base: ManagementBase, entity: Json) -> list[str]:
    query = "SELECT payload FROM outbox WHERE entity_id = %s ORDER BY position"
    events = [row["payload"] for row in base.rows(query, (entity["id"],))]
    check_events(events)
    return [event["type"] for event in events]


def test_an_invoice_has_a_payment_exactly_while_it_is_paid(management_base: ManagementBase) -> None:
    base = management_base
    invoice = make_entity(base, "invoice", currency="usd")
    assert (invoice["status"], invoice["currency"], invoice["paid_at"]) == ("draft", "USD", None)
    refused(patch(base, "invoice", invoice, paid_at="2026-01-31T12:00:00Z"), 400, "paid_at")
    refused(patch(base, "invoice", invoice, payment_reference="R-1"), 400, "payment_reference")
    paid = patched(base, "invoice", invoice, status="paid", payment_reference="R-1")
    assert paid["paid_at"] == paid["updated_at"]
    assert patched(base, "invoice", invoice, status="paid") == paid
    corrected = patched(base, "invoice", invoice, paid_at="2026-01-31T12:00:00.000Z")
    assert (corrected["paid_at"], corrected["payment_reference"]) == ("2026-01-31T12:00:00.000Z", "R-1")
    refused(patch(base, "invoice", invoice, paid_at=None), 400, "paid_at")
    overdue = patched(base, "invoice", invoice, status="overdue")
    assert (overdue["paid_at"], overdue["payment_reference"]) == (None, None)
    cancelled = patched(base, "invoice", invoice, status="cancelled")
    refused(patch(base, "invoice", invoice, status="paid"), 409, "status")
    assert patched(base, "invoice", invoice, status="cancelled") == cancelled
    assert types_told(base, invoice) == ["invoice.status_changed", "invoice.paid", *["invoice.status_changed"] * 2]
    at = "2026-02-01T00:00:00.000Z"
    assert make_entity(base, "invoice", status="paid", paid_at=at)["paid_at"] == at
    assert make_entity(base, "invoice", status="paid")["paid_at"] is not None


def test_a_task_begins_in_the_first_phase_and_the_first_open_status(management_base: ManagementBase) -> None:
    base = management_base
    project = make_entity(base, "project")["id"]
    begin = {"project_id": project, "phase_id": None, "status_id": None}
    refused(post(base, "project_task", **begin), 400, "phase_id")
    later = make_entity(base, "project_phase", project_id=project, position=2)
    first = make_entity(base, "project_phase", project_id=project, position=1)
    of_all = {
        name: make_entity(base, "project_status", project_id=None, is_closed=name == "Done", name=f"{name} {uuid4()}")
        for name in ("Done", "To do")
    }
    task = make_entity(base, "project_task", **begin)
    assert (task["phase_id"], task["status_id"]) == (first["id"], of_all["To do"]["id"])
    own = {"project_id": project, "position": 5}
    make_entity(base, "project_status", **own, is_closed=True)
    refused(post(base, "project_task", **begin), 400, "status_id")
    open_one = make_entity(base, "project_status", **own)
    assert make_entity(base, "project_task", **begin)["status_id"] == open_one["id"]
    for member, kind in (("phase_id", "project_phase"), ("status_id", "project_status")):
        foreign = {member: make_entity(base, kind)["id"]}
        refused(patch(base, "project_task", task, **foreign), 400, member)
        refused(post(base, "project_task", **begin | foreign), 400, member)
    assert patched(base, "project_task", task, phase_id=later["id"])["phase_id"] == later["id"]


def test_a_task_is_complete_exactly_while_its_status_is_closed(management_base: ManagementBase) -> None:
    base = management_base
    task = make_entity(base, "project_task")
    done = make_entity(base, "project_status", project_id=task["project_id"], is_closed=True)
    again = make_entity(base, "project_status", project_id=task["project_id"], is_closed=True)
    complete = patched(base, "project_task", task, status_id=done["id"])
    assert (complete["is_closed"], complete["completed_at"]) == (True, complete["updated_at"])
    assert "status_scope_id" not in complete
    assert patched(base, "project_task", task, status_id=again["id"])["completed_at"] == complete["completed_at"]
    refused(patch(base, "project_status", again, is_closed=False), 409, "is_closed")
    reopened = patched(base, "project_task", task, status_id=task["status_id"])
    assert (reopened["is_closed"], reopened["completed_at"]) == (False, None)
    told = ["created", "status_changed", "completed", "status_changed", "status_changed"]
    assert types_told(base, task) == [f"project_task.{name}" for name in told]
    for path in (f"/projects/{task['project_id']}", f"/project-phases/{task['phase_id']}"):
        refused(base.call("DELETE", path), 409)


@pytest.fixture(scope="module")
def week(management_base: ManagementBase) -> Json:
    """A period that nothing else of these tests is in."""
    return make_entity(management_base, "time_period", start_date="2001-03-05", end_date="2001-03-11")


def test_no_day_belongs_to_two_periods(management_base: ManagementBase, week: Json) -> None:
    base = management_base
    for start, end in (("2001-03-11", "2001-03-12"), ("2001-03-01", "2001-03-31"), ("2001-03-07", "2001-03-07")):
        refused(post(base, "time_period", start_date=start, end_date=end), 409, "start_date")
    refused(post(base, "time_period", start_date="2001-04-02", end_date="2001-04-01"), 400, "end_date")
    for wrong in (20_010_402, "2001-4-2", "2001-04-02T00:00:00Z", "2001-02-30"):
        refused(post(base, "time_period", start_date=wrong, end_date="2001-04-03"), 400, "start_date")
    next_one = make_entity(base, "time_period", start_date="2001-03-20", end_date="2001-03-20")
    refused(patch(base, "time_period", next_one, start_date="2001-03-11"), 409, "start_date")
    for day, found in (("2001-03-05", [week]), ("2001-03-11", [week]), ("2001-03-04", [])):
        assert base.call("GET", "/time-periods", params={"day": day}).json()["data"] == found


def test_an_entry_counts_for_the_users_day_on_the_users_sheet(management_base: ManagementBase, week: Json) -> None:
    """At 23:30 in UTC it is the next day in Berlin, where the example user is."""
    base = management_base
    first = make_entity(base, "time_entry", start_time="2001-03-11T22:30:00Z", duration_minutes=90)
    assert (first["end_time"], first["work_date"]) == ("2001-03-12T00:00:00.000Z", "2001-03-11")
    assert (first["is_billable"], first["billable_minutes"]) == (True, 90)
    sheet = base.call("GET", f"/time-sheets/{first['time_sheet_id']}").json()
    assert (sheet["user_id"], sheet["period_id"], sheet["status"]) == (first["user_id"], week["id"], "draft")
    again = {"user_id": first["user_id"], "start_time": "2001-03-08T08:00:00Z"}
    second = make_entity(base, "time_entry", **again, is_billable=False)
    assert (second["time_sheet_id"], second["billable_minutes"]) == (sheet["id"], 0)
    outside = patched(base, "time_entry", first, start_time="2001-03-11T23:30:00Z", duration_minutes=1)
    assert (outside["work_date"], outside["time_sheet_id"], outside["billable_minutes"]) == ("2001-03-12", None, 1)
    assert base.call("GET", "/time-entries", params={"time_sheet_id": sheet["id"]}).json()["data"] == [second]
    refused(post(base, "time_sheet", user_id=first["user_id"], period_id=week["id"]), 409, "period_id")
    refused(base.call("DELETE", f"/time-sheets/{sheet['id']}"), 409)
    assert types_told(base, first) == ["time_entry.created", "time_entry.updated"]


def test_what_was_handed_in_stays_as_it_is(management_base: ManagementBase, week: Json) -> None:
    base = management_base
    entry = make_entity(base, "time_entry", start_time="2001-03-06T08:00:00Z")
    sheet = {"id": entry["time_sheet_id"]}
    on_it = {"user_id": entry["user_id"], "start_time": "2001-03-07T08:00:00Z"}
    for status in ("submitted", "approved"):
        patched(base, "time_sheet", sheet, status=status)
        refused(post(base, "time_entry", **on_it), 409, "start_time")
        refused(patch(base, "time_entry", entry, notes="More"), 409, "start_time")
        refused(base.call("DELETE", f"/time-entries/{entry['id']}"), 409, "start_time")
        assert patched(base, "time_entry", entry, duration_minutes=entry["duration_minutes"]) == entry
    patched(base, "time_sheet", sheet, status="draft")
    assert base.call("DELETE", f"/time-entries/{entry['id']}").status_code == 204
    assert week["id"] == base.call("GET", f"/time-sheets/{sheet['id']}").json()["period_id"]


def test_an_entry_has_the_work_item_of_its_type(management_base: ManagementBase) -> None:
    base = management_base
    category, inactive = make_entity(base, "non_billable_category"), make_entity(base, "non_billable_category")
    patched(base, "non_billable_category", inactive, is_active=False)
    free = {"work_item_type": "non_billable_category", "work_item_id": category["id"]}
    entry = make_entity(base, "time_entry", **free)
    assert (entry["work_item_id"], entry["is_billable"], entry["billable_minutes"]) == (category["id"], False, 0)
    refused(patch(base, "time_entry", entry, is_billable=True), 400, "is_billable")
    whose = {name: entry[name] for name in ("user_id", "service_id")}
    refused(post(base, "time_entry", **whose, **free, is_billable=True), 400, "is_billable")
    wrong: list[Json] = [
        {"work_item_type": "ad_hoc", "work_item_id": category["id"]},
        {"work_item_type": "interaction", "work_item_id": category["id"]},
        {"work_item_type": "project_task", "work_item_id": str(uuid4())},
        {"work_item_type": "ticket", "work_item_id": None},
        {"work_item_type": "non_billable_category", "work_item_id": inactive["id"]},
    ]
    for members in wrong:
        refused(post(base, "time_entry", **whose, **members), 400, "work_item_id")
        refused(patch(base, "time_entry", entry, **members), 400, "work_item_id")
    for minutes in (0, 1_441, "90", 1.5, True):
        refused(post(base, "time_entry", **whose, **free, duration_minutes=minutes), 400, "duration_minutes")
    for start in ("0999-12-31T23:59:59Z", "9999-12-31T00:00:00Z", "2001-03-06T08:00:00", 983_865_600):
        refused(post(base, "time_entry", **whose, **free, start_time=start), 400, "start_time")
    task = make_entity(base, "project_task")
    of_task = patched(base, "time_entry", entry, work_item_type="project_task", work_item_id=task["id"])
    assert (of_task["work_item_id"], of_task["is_billable"]) == (task["id"], False)
    assert base.call("GET", "/time-entries", params={"work_item_id": task["id"]}).json()["data"] == [of_task]
    refused(base.call("DELETE", f"/project-tasks/{task['id']}"), 409)
    unplanned = patched(base, "time_entry", entry, work_item_type="ad_hoc", work_item_id=None, is_billable=True)
    assert (unplanned["work_item_id"], unplanned["is_billable"]) == (None, True)


def test_the_contact_of_an_interaction_is_the_clients(management_base: ManagementBase) -> None:
    base = management_base
    interaction = make_entity(base, "interaction")
    contact = make_entity(base, "contact", client_id=interaction["client_id"])
    foreign = make_entity(base, "contact")
    refused(patch(base, "interaction", interaction, contact_id=foreign["id"]), 400, "contact_id")
    assert patched(base, "interaction", interaction, contact_id=contact["id"])["contact_id"] == contact["id"]
    refused(patch(base, "interaction", interaction, client_id=foreign["client_id"]), 400, "contact_id")
    both = {"client_id": foreign["client_id"], "contact_id": foreign["id"]}
    assert patched(base, "interaction", interaction, **both)["contact_id"] == foreign["id"]


def test_a_tag_is_on_an_entity_once_and_leaves_with_either(management_base: ManagementBase) -> None:
    base = management_base
    tag, other = make_entity(base, "tag", tag_text=" Urgent "), make_entity(base, "tag")
    client, project = make_entity(base, "client"), make_entity(base, "project")
    assert tag["tag_text"] == "Urgent"
    on_client, on_project = (
        f"/tags/{tag['id']}/entities/{kind}/{one['id']}" for kind, one in (("client", client), ("project", project))
    )
    for _ in range(2):
        assert base.call("PUT", on_client).status_code == 204
    assert base.call("PUT", on_project).status_code == 204
    assert base.call("PUT", on_client.replace(tag["id"], other["id"])).status_code == 204
    assert types_told(base, client) == ["client.created", "entity.tagged", "entity.tagged"]

    def tags_of(**wanted: str) -> list[str]:
        return [one["id"] for one in base.call("GET", "/tags", params=wanted).json()["data"]]

    assert tags_of(entity_type="client", entity_id=client["id"]) == [other["id"], tag["id"]]
    assert tags_of(entity_id=project["id"]) == [tag["id"]]
    assert tags_of(entity_type="ticket") == []
    for path in (on_client.replace("client/", "contact/"), on_client.replace(client["id"], str(uuid4()))):
        assert base.call("PUT", path).status_code == 404
    assert base.call("PUT", on_client.replace("client/", "invoice/")).status_code == 400
    assert base.call("DELETE", on_client).status_code == 204
    assert base.call("DELETE", on_client).status_code == 404
    assert base.call("DELETE", f"/tags/{other['id']}").status_code == 204
    assert tags_of(entity_id=client["id"]) == []
    assert base.call("DELETE", f"/projects/{project['id']}").status_code == 204
    assert tags_of(entity_type="project") == []
    for text in ("", "  ", "x" * 51):
        refused(post(base, "tag", tag_text=text), 400, "tag_text")
    for colour in ("red", "#12345", "#1234567", "#12345g", "#123456\n"):
        refused(post(base, "tag", text_color=colour), 400, "text_color")
    actions = base.rows("SELECT action FROM audit_entries WHERE resource_id = %s ORDER BY id", (tag["id"],))
    assert [row["action"] for row in actions] == ["tag.created", "tag.linked", "tag.linked", "tag.unlinked"]


@pytest.mark.parametrize("kind", ["ticket", "invoice", "project", "project_task", "time_entry"])
def test_what_is_made_with_a_senders_id_is_found_by_it_until_it_goes(
    management_base: ManagementBase, kind: str
) -> None:
    base = management_base
    webhook = create_webhook(base, f"maps-{kind.replace('_', '-')}")
    made = make_entity(base, kind, external_id="X-1", webhook_id=webhook["id"])
    wanted = {"webhook_id": webhook["id"], "entity_type": kind}
    listed = base.call("GET", "/external-entity-mappings", params=wanted).json()["data"]
    assert [(row["external_id"], row["entity_id"]) for row in listed] == [("X-1", made["id"])]
    refused(post(base, kind, external_id="X-1", webhook_id=webhook["id"]), 409, "external_id")
    assert base.call("DELETE", f"{EXAMPLES[kind].path}/{made['id']}").status_code == 204
    assert base.call("GET", "/external-entity-mappings", params=wanted).json()["data"] == []
