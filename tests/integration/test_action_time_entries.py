"""Time that senders book: how long, on what, for which day."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.actions import ActionBase, add, add_tenant, refusal_of, request_of, take_events, ticket_of
from tests.support.time_entries import UPDATE, add_period, book, entry_of, prepare, request


@pytest.fixture
def base(database_dsn: str) -> ActionBase:
    return prepare(database_dsn)


def new_ticket(base: ActionBase, external_id: str = "T-1") -> dict[str, Any]:
    return ticket_of(base, base.run(base.request({"external_id": external_id}))[0])


def new_task(base: ActionBase, external_id: str = "K-1") -> UUID:
    fields = {"project_id": "Server rollout", "task_name": "Order", "external_id": external_id}
    (outcome,) = base.run(request_of(base, "createProjectTask", fields))
    return UUID(outcome.body["entity_id"])


def test_an_entry_ends_after_its_duration_and_is_billed_for_all_of_it(base: ActionBase) -> None:
    ticket = new_ticket(base)
    take_events(base)
    fields = {"work_item_type": "ticket", "work_item_external_id": "T-1", "external_id": "E-1", "notes": "x" * 20_000}
    sent = request(base, fields | {"tax_region": "DE"}, hops=1)
    (outcome,) = base.run(sent)
    entry, ids = entry_of(base, outcome), base.tenant.ids
    expected = {
        "user_id": ids["technician"],
        "service_id": ids["service"],
        "work_item_type": "ticket",
        "ticket_id": ticket["id"],
        "start_time": datetime(2026, 3, 2, 13, 0, tzinfo=UTC),
        "end_time": datetime(2026, 3, 2, 14, 30, tzinfo=UTC),
        "duration_minutes": 90,
        "is_billable": True,
        "billable_minutes": 90,
        "work_date": date(2026, 3, 2),
        "time_sheet_id": None,
        "notes": "x" * 20_000,
        "tax_region": "DE",
        "webhook_id": base.webhook_id,
    }
    assert {name: entry[name] for name in expected} == expected
    assert (outcome.body["created"], outcome.body["external_id"]) == (True, "E-1")
    (mapping,) = base.rows("SELECT * FROM external_entity_mappings WHERE entity_type = 'time_entry'")
    assert (mapping["external_id"], mapping["entity_id"]) == ("E-1", entry["id"])
    (event,) = take_events(base)
    assert (event["type"], event["hops"], event["causation_id"]) == ("time_entry.created", 2, sent["delivery_id"])
    assert (event["data"]["work_date"], event["data"]["end_time"]) == ("2026-03-02", "2026-03-02T14:30:00.000Z")
    assert base.count("time_sheets") == 0  # no period covers the day


def test_nulls_are_the_defaults_and_what_is_not_billable_has_no_billable_minutes(base: ActionBase) -> None:
    cleared = dict.fromkeys(
        ("external_id", "work_item_id", "work_item_external_id", "notes", "is_billable", "tax_region")
    )
    entry = entry_of(base, book(base, cleared))
    assert (entry["is_billable"], entry["billable_minutes"], entry["notes"], entry["tax_region"]) == (
        True,
        90,
        None,
        None,
    )
    assert base.count("external_entity_mappings") == 0
    free = entry_of(base, book(base, {"is_billable": False}))
    assert (free["is_billable"], free["billable_minutes"]) == (False, 0)


def test_a_day_is_the_users_own_and_a_change_of_the_clock_takes_no_time(base: ActionBase) -> None:
    zones = {"auckland": "Pacific/Auckland", "lima": "America/Lima"}
    for name, zone in zones.items():
        add(base, "users", email=f"{name}@demo.example", username=name, time_zone=zone)
    cases = [
        ("technician", "2026-03-02T22:59:59Z", 1, date(2026, 3, 2), "2026-03-02T23:00:59+00:00"),
        ("technician", "2026-03-02T23:00:00Z", 1, date(2026, 3, 3), "2026-03-02T23:01:00+00:00"),
        ("auckland", "2026-03-02T11:00:00Z", 1_440, date(2026, 3, 3), "2026-03-03T11:00:00+00:00"),
        ("lima", "2026-03-02T01:00:00+01:00", 60, date(2026, 3, 1), "2026-03-02T01:00:00+00:00"),
        # Berlin's clock goes from 2:00 to 3:00 on 29 March, and from 3:00 back to 2:00 on 25 October
        ("technician", "2026-03-29T01:30:00+01:00", 90, date(2026, 3, 29), "2026-03-29T02:00:00+00:00"),
        ("technician", "2026-10-25T02:30:00+02:00", 90, date(2026, 10, 25), "2026-10-25T02:00:00+00:00"),
        ("technician", "2026-06-30T22:30:00Z", 60, date(2026, 7, 1), "2026-06-30T23:30:00+00:00"),
    ]
    outcomes = base.run(
        *(
            request(base, {"user_id": user, "start_time": start, "duration_minutes": minutes})
            for user, start, minutes, _, _ in cases
        )
    )
    for (user, start, minutes, day, end), outcome in zip(cases, outcomes, strict=True):
        entry = entry_of(base, outcome)
        assert (entry["work_date"], entry["end_time"]) == (day, datetime.fromisoformat(end)), (user, start)
        assert (entry["end_time"] - entry["start_time"]).total_seconds() == minutes * 60


def test_a_work_item_is_named_in_the_ways_its_type_has(base: ActionBase) -> None:
    ticket, task = new_ticket(base), new_task(base)
    interaction = add(base, "interactions", client_id=base.tenant.ids["client"], title="Call")
    category = base.tenant.ids["non_billable_category"]
    cases = [
        ("ticket", {"work_item_id": str(ticket["id"]).upper()}, "ticket_id", ticket["id"]),
        ("ticket", {"work_item_id": ticket["number"]}, "ticket_id", ticket["id"]),
        ("ticket", {"work_item_id": f" {ticket['number']} "}, "ticket_id", ticket["id"]),
        ("ticket", {"work_item_external_id": "T-1"}, "ticket_id", ticket["id"]),
        ("ticket", {"work_item_id": ticket["number"], "work_item_external_id": "T-1"}, "ticket_id", ticket["id"]),
        ("project_task", {"work_item_id": str(task)}, "project_task_id", task),
        ("project_task", {"work_item_external_id": "K-1"}, "project_task_id", task),
        ("non_billable_category", {"work_item_id": "TRAINING"}, "non_billable_category_id", category),
        ("non_billable_category", {"work_item_id": str(category)}, "non_billable_category_id", category),
        ("interaction", {"work_item_id": str(interaction)}, "interaction_id", interaction),
    ]
    outcomes = base.run(*(request(base, {"work_item_type": kind} | fields) for kind, fields, _, _ in cases))
    for (kind, fields, column, item_id), outcome in zip(cases, outcomes, strict=True):
        entry = entry_of(base, outcome)
        columns = {name for name in entry if name.endswith("_id") and entry[name] == item_id}
        assert columns == {column}, (kind, fields)
        is_billable = kind != "non_billable_category"
        assert (entry["is_billable"], entry["billable_minutes"]) == (is_billable, 90 * is_billable)


def test_a_work_item_that_does_not_fit_names_its_field(base: ActionBase) -> None:
    ticket, other, task = new_ticket(base), new_ticket(base, "T-2"), new_task(base)
    add(base, "non_billable_categories", name="Old", is_active=False)
    tenant = add_tenant(base)
    client = add(base, "clients", tenant_id=tenant, name="Theirs")
    theirs = {
        "non_billable_category": add(base, "non_billable_categories", tenant_id=tenant, name="Theirs"),
        "interaction": add(base, "interactions", tenant_id=tenant, client_id=client, title="Call"),
    }
    item, external = "work_item_id", "work_item_external_id"
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("ad_hoc", {item: str(ticket["id"])}, item),
        ("ad_hoc", {external: "T-1"}, external),
        ("ticket", {}, item),
        ("ticket", {item: None, external: None}, item),
        ("interaction", {}, item),
        ("ticket", {item: "99999999"}, item),
        ("ticket", {item: "9" * 30}, item),
        ("ticket", {item: "Disk full on srv-01"}, item),
        ("ticket", {item: str(task)}, item),
        ("project_task", {item: "Order"}, item),
        ("interaction", {item: "Call"}, item),
        ("interaction", {external: "T-1"}, external),
        ("non_billable_category", {item: "Training", external: "T-1"}, external),
        ("non_billable_category", {item: "Old"}, item),
        ("non_billable_category", {item: "Training", "is_billable": True}, "is_billable"),
        ("non_billable_category", {item: "Theirs"}, item),
        ("ticket", {item: other["number"], external: "T-1"}, external),
        *((kind, {item: str(item_id)}, item) for kind, item_id in theirs.items()),
    ]
    outcomes = base.run(*(request(base, {"work_item_type": kind} | fields) for kind, fields, _ in cases))
    for (kind, fields, path), outcome in zip(cases, outcomes, strict=True):
        assert refusal_of(outcome) == ("VALIDATION_ERROR", f"field_mapping.{path}"), (kind, fields)
    for kind, external_id in (("ticket", "K-1"), ("project_task", "T-1"), ("ticket", "T-9")):
        outcome = book(base, {"work_item_type": kind, external: external_id})
        assert refusal_of(outcome) == ("LOOKUP_MISS", f"field_mapping.{external}")
    assert base.count("time_entries") == 0


def test_a_value_that_does_not_fit_names_its_field(base: ActionBase) -> None:
    tenant = add_tenant(base)
    user = add(base, "users", tenant_id=tenant, email="them@other.example", username="them")
    service = add(base, "services", tenant_id=tenant, name="Theirs")
    add(base, "users", email="gone@demo.example", username="gone", is_active=False)
    add(base, "users", email="lost@demo.example", username="lost", time_zone="Middle/Earth")
    add(base, "users", email="lima@demo.example", username="lima", time_zone="America/Lima")
    cases: list[tuple[dict[str, Any], str]] = [
        *(({"duration_minutes": minutes}, "duration_minutes") for minutes in (0, -7, 1_441, True, "1e3", " ", None)),
        ({"user_id": "gone"}, "user_id"),
        ({"user_id": "them"}, "user_id"),
        ({"user_id": str(user)}, "user_id"),
        ({"user_id": "lost"}, "user_id"),
        ({"user_id": ...}, "user_id"),
        ({"service_id": None}, "service_id"),
        ({"service_id": str(service)}, "service_id"),
        ({"work_item_type": "Ticket"}, "work_item_type"),
        ({"start_time": "2026-03-02T13:00:00"}, "start_time"),
        ({"start_time": "9999-12-31T12:00:00Z", "duration_minutes": 1_440}, "start_time"),
        ({"start_time": "0001-01-01T00:00:00Z", "user_id": "lima"}, "start_time"),
        ({"notes": "x" * 20_001}, "notes"),
        ({"is_billable": "yes"}, "is_billable"),
    ]
    outcomes = base.run(*(request(base, fields) for fields, _ in cases))
    for (fields, path), outcome in zip(cases, outcomes, strict=True):
        assert refusal_of(outcome) == ("VALIDATION_ERROR", f"field_mapping.{path}"), fields
    assert base.count("time_entries") == base.count("time_sheets") == 0


def test_the_same_id_again_is_a_conflict_or_left_or_updated_as_the_option_says(base: ActionBase) -> None:
    add_period(base)
    april = add_period(base, "2026-04-01", "2026-04-30")
    ticket = new_ticket(base)
    first = book(base, {"external_id": "E-1", "notes": "Old", "tax_region": "DE", "is_billable": False})
    before = entry_of(base, first)
    take_events(base)
    fields = {
        "external_id": "E-1",
        "user_id": "admin",
        "work_item_type": "ticket",
        "work_item_id": ticket["number"],
        "start_time": "2026-04-02T10:00:00Z",
        "duration_minutes": 30,
        "is_billable": None,
        "tax_region": None,
    }
    failed = book(base, fields)
    assert refusal_of(failed) == ("CONFLICT", "field_mapping.external_id")
    assert str(before["id"]) in failed.body["message"]
    ignored = book(base, fields, options={"on_existing": "ignore"})
    assert (ignored.body["entity_id"], ignored.body["changed"]) == (str(before["id"]), False)
    assert (entry_of(base, first), base.count("time_sheets"), take_events(base)) == (before, 1, [])
    outcome = book(base, fields, **UPDATE)
    after = entry_of(base, outcome)
    assert (after["id"], after["notes"], after["tax_region"]) == (before["id"], "Old", None)
    assert (after["user_id"], after["ticket_id"]) == (base.tenant.ids["admin"], ticket["id"])
    assert (after["is_billable"], after["billable_minutes"]) == (True, 30)
    assert (after["work_date"], after["end_time"]) == (date(2026, 4, 2), datetime(2026, 4, 2, 10, 30, tzinfo=UTC))
    (sheet,) = base.rows("SELECT * FROM time_sheets WHERE id = %s", [after["time_sheet_id"]])
    assert (sheet["user_id"], sheet["period_id"]) == (base.tenant.ids["admin"], april)
    (event,) = take_events(base)
    assert event["type"] == "time_entry.updated"
    assert sorted(event["changes"]) == outcome.body["metadata"]["updated_fields"]
    assert event["changes"]["work_date"] == {"previous": "2026-03-02", "new": "2026-04-02"}
    assert event["changes"]["time_sheet_id"]["new"] == str(sheet["id"])
    assert {"notes", "service_id", "updated_at"}.isdisjoint(event["changes"])
    again = book(base, fields, **UPDATE)
    assert (again.body["changed"], take_events(base)) == (False, [])
    category = {"external_id": "E-1", "work_item_type": "non_billable_category", "work_item_id": "Training"}
    free = entry_of(base, book(base, category, **UPDATE))
    assert (free["ticket_id"], free["is_billable"], free["billable_minutes"]) == (None, False, 0)


def test_another_webhook_books_on_what_the_first_named(base: ActionBase) -> None:
    other, ticket = uuid4(), new_ticket(base)
    base.register(other)
    fields = {"work_item_type": "ticket", "work_item_external_id": "T-1", "external_id": "E-1"}
    shared = {"webhook_id": str(other), "options": {"external_ids_of": str(base.webhook_id)}}
    assert refusal_of(book(base, fields, webhook_id=str(other)))[0] == "LOOKUP_MISS"
    entry = entry_of(base, book(base, fields, **shared))
    assert (entry["ticket_id"], entry["webhook_id"]) == (ticket["id"], other)
    (mapping,) = base.rows("SELECT webhook_id FROM external_entity_mappings WHERE entity_type = 'time_entry'")
    assert mapping["webhook_id"] == base.webhook_id
