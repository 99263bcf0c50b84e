"""updateTicketByExternalId and changeTicketStatusByExternalId on a real Postgres."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from hookline.embedded.postgres import PostgresServer
from tests.support.actions import ActionBase, add, add_mapping, add_tenant, refusal_of, take_events
from tests.support.stack import new_database
from tests.support.tickets import CHANGE_STATUS, UPDATE, Tickets


@pytest.fixture(scope="module")
def tickets(postgres: PostgresServer) -> Iterator[Tickets]:
    with new_database(postgres.dsn) as dsn:
        yield Tickets(ActionBase.prepare(dsn))


FULL = {
    "title": "Opened",
    "description": "Text",
    "due_date": "2026-03-01T10:00:00Z",
    "priority_id": "Low",
    "status_id": "Waiting",
    "assigned_to": "technician",
    "assigned_team_id": "Service Desk",
    "location_id": "Head office",
    "category_id": "Hardware",
    "subcategory_id": "Disk",
    "contact_id": "carla@acme.example",
    "asset_id": "ACME-0001",
    "attributes": {"a": {"b": 1}, "gone": 1},
}


def without_times(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "updated_at"}


def test_an_update_leaves_what_is_not_mapped_and_tells_what_it_changed(tickets: Tickets) -> None:
    external_id = tickets.open(**FULL)
    before = tickets.row(external_id)
    request = tickets.request(UPDATE, external_id, priority_id="critical", attributes={"a": {"c": 2}, "gone": None})
    (outcome,) = tickets.base.run(request | {"hops": 1})
    after = tickets.row(external_id)
    expected = {"priority_id": tickets.base.tenant.ids["critical"], "attributes": {"a": {"b": 1, "c": 2}}}
    assert without_times(after) == without_times(before) | expected
    assert after["updated_at"] > before["updated_at"]
    assert (outcome.body["created"], outcome.body["changed"]) == (False, True)
    assert outcome.body["metadata"] == {
        "ticket_number": before["number"],
        "updated_fields": ["attributes", "priority_id"],
    }
    (event,) = take_events(tickets.base)
    assert (event["type"], event["entity_id"], event["hops"]) == ("ticket.updated", str(before["id"]), 2)
    assert (event["causation_id"], event["actor"]["id"]) == (request["delivery_id"], str(tickets.base.webhook_id))
    assert event["changes"] == {
        "attributes": {"previous": FULL["attributes"], "new": {"a": {"b": 1, "c": 2}}},
        "priority_id": {"previous": str(before["priority_id"]), "new": str(after["priority_id"])},
    }


def test_every_field_can_be_changed_by_name_and_by_id(tickets: Tickets) -> None:
    base, ids = tickets.base, tickets.base.tenant.ids
    add_mapping(base, "asset", "A-1", ids["asset"])
    add_mapping(base, "client", "C-1", ids["client"])
    by_name = tickets.open(title="By name", status_id="New")
    by_id = tickets.open(title="By id", status_id="New")
    named = FULL | {"client_id": "acme ltd", "board_id": "service desk"}
    kinds = {"priority_id": "low", "status_id": "waiting", "assigned_to": "technician", "assigned_team_id": "team"}
    kinds |= {"location_id": "location", "category_id": "category", "subcategory_id": "subcategory"}
    kinds |= {"contact_id": "contact", "client_id": "client", "board_id": "board"}
    identified: dict[str, Any] = named | {field: str(ids[kind]).upper() for field, kind in kinds.items()}
    identified |= {"asset_id": ..., "asset_external_id": "A-1", "client_external_id": "C-1"}
    for external_id, fields in ((by_name, named), (by_id, identified)):
        outcome = tickets.update(external_id, **fields)
        assert outcome.status == "dispatched", outcome.body
        row = tickets.row(external_id)
        assert {field: row[field] for field in kinds} == {field: ids[kind] for field, kind in kinds.items()}
        assert (row["title"], row["description"], row["attributes"]) == ("Opened", "Text", FULL["attributes"])
        assert row["due_date"].isoformat() == "2026-03-01T10:00:00+00:00"
        assert tickets.links(external_id) == {ids["asset"]}
        assert "asset_id" in outcome.body["metadata"]["updated_fields"]


def test_null_clears_what_a_ticket_can_do_without_and_is_refused_for_the_rest(tickets: Tickets) -> None:
    external_id = tickets.open(**FULL)
    needed = ("title", "client_id", "client_external_id", "board_id", "status_id")
    for field in needed:
        assert refusal_of(tickets.update(external_id, **{field: None})) == (
            "VALIDATION_ERROR",
            f"field_mapping.{field}",
        )
    assert refusal_of(tickets.update(external_id, title=" \t"))[1] == "field_mapping.title"
    assert take_events(tickets.base) == []
    assert tickets.update(external_id, **dict.fromkeys(FULL.keys() - set(needed))).status == "dispatched"
    row = tickets.row(external_id)
    cleared = FULL.keys() - {*needed, "asset_id", "attributes"}
    assert {field: row[field] for field in cleared} == dict.fromkeys(cleared)
    assert row["attributes"] == {}
    assert tickets.links(external_id) == {tickets.base.tenant.ids["asset"]}  # assets are only ever added


def test_what_is_so_already_changes_nothing(tickets: Tickets) -> None:
    external_id = tickets.open(**FULL)
    before = tickets.row(external_id)
    for outcome in (
        tickets.update(external_id, **FULL | {"client_id": "Acme Ltd", "attributes": {"a": {"b": 1}}}),
        tickets.update(external_id),
        tickets.change_status(external_id, status_id="waiting", board_id="Service Desk"),
    ):
        assert (outcome.status, outcome.body["changed"]) == ("dispatched", False)
        assert outcome.body["metadata"] == {"ticket_number": before["number"], "updated_fields": []}
    assert tickets.row(external_id) == before
    assert take_events(tickets.base) == []


def test_parts_of_others_unknown_parts_and_unmapped_ids_are_refused(tickets: Tickets) -> None:
    base = tickets.base
    client = add(base, "clients", name="Foreign parts")
    add(base, "client_locations", client_id=client, name="Annex")
    add(base, "contacts", client_id=client, full_name="Olaf", email="olaf@other.example")
    asset = add(base, "assets", client_id=client, name="other-srv")
    add_mapping(base, "asset", "foreign", asset)
    board = tickets.add_board("Foreign board", Elsewhere=False)
    category = add(base, "ticket_categories", board_id=board, name="Roadmap")
    add(base, "ticket_categories", parent_id=category, name="Quarter")
    add(base, "clients", tenant_id=add_tenant(base), name="Of another tenant")
    external_id = tickets.open(category_id="Hardware")
    before = tickets.row(external_id)
    invalid: dict[str, Any] = {
        "location_id": "Annex",
        "contact_id": "olaf@other.example",
        "asset_id": "other-srv",
        "asset_external_id": "foreign",
        "status_id": "Elsewhere",
        "category_id": "Roadmap",
        "subcategory_id": "Quarter",
        "client_id": "Of another tenant",
        "board_id": str(uuid4()),
        "priority_id": "urgent",
        "assigned_to": "nobody",
        "assigned_team_id": "nobody",
        "due_date": "tomorrow",
        "attributes": ["a"],
    }
    for field, value in invalid.items():
        refusal = refusal_of(tickets.update(external_id, title="Never", **{field: value}))
        assert refusal == ("VALIDATION_ERROR", f"field_mapping.{field}")
    for field in ("client_external_id", "asset_external_id"):
        refusal = refusal_of(tickets.update(external_id, title="Never", **{field: "unmapped"}))
        assert refusal == ("LOOKUP_MISS", f"field_mapping.{field}")
    assert tickets.row(external_id) == before
    assert take_events(base) == []


@pytest.mark.parametrize("action", [UPDATE, CHANGE_STATUS])
def test_an_external_id_that_nobody_mapped_is_a_miss(tickets: Tickets, action: str) -> None:
    (outcome,) = tickets.base.run(tickets.request(action, "unmapped", status_id="Closed"))
    assert refusal_of(outcome) == ("LOOKUP_MISS", "field_mapping.external_id")
    assert "'unmapped'" in outcome.body["message"]


def test_a_ticket_is_closed_when_its_status_is_and_keeps_its_first_time_of_closing(tickets: Tickets) -> None:
    external_id = tickets.open()
    outcome = tickets.change_status(external_id, status_id="Resolved")
    first = tickets.row(external_id)
    assert outcome.body["metadata"]["updated_fields"] == ["status_id"]
    assert (first["is_closed"], first["closed_at"]) == (True, first["updated_at"])
    changed, closed = take_events(tickets.base)
    assert [changed["type"], closed["type"]] == ["ticket.status_changed", "ticket.closed"]
    assert sorted(changed["changes"]) == ["closed_at", "is_closed", "status_id"]
    assert list(closed["changes"]) == ["closed_at"]
    tickets.change_status(external_id, status_id="Closed")
    tickets.update(external_id, title="After that", status_id="Closed")
    assert [event["type"] for event in take_events(tickets.base)] == ["ticket.status_changed", "ticket.updated"]
    assert tickets.row(external_id)["closed_at"] == first["closed_at"]
    tickets.change_status(external_id, status_id="New")
    reopened = tickets.row(external_id)
    assert (reopened["is_closed"], reopened["closed_at"]) == (False, None)
    (event,) = take_events(tickets.base)
    assert event["type"] == "ticket.status_changed"
    assert event["changes"]["is_closed"] == {"previous": True, "new": False}
    assert refusal_of(tickets.change_status(external_id, status_id=None))[1] == "field_mapping.status_id"
    assert refusal_of(tickets.change_status(external_id, status_id="New", board_id=None))[1] == "field_mapping.board_id"


def test_a_moved_ticket_gets_the_status_of_the_same_name_or_the_default_and_is_never_closed_by_it(
    tickets: Tickets,
) -> None:
    projects = tickets.add_board("Projects", Planned=False, NEW=False, Resolved=False, Done=True, Over=True)
    add(tickets.base, "ticket_statuses", board_id=projects, name="Waiting", position=9, is_active=False)
    tickets.add_board("Open only", Todo=False)
    tickets.add_board("Closed only", Archived=True)
    for status, expected in {"New": "NEW", "Waiting": "Planned", "Resolved": "Done", "Closed": "Done"}.items():
        external_id = tickets.open(status_id=status)
        before = tickets.row(external_id)
        assert tickets.update(external_id, board_id="Projects").status == "dispatched"
        row = tickets.row(external_id)
        assert tickets.status_name(external_id) == expected
        assert (row["is_closed"], row["closed_at"]) == (before["is_closed"], before["closed_at"])
    assert refusal_of(tickets.update(external_id, board_id="Open only"))[1] == "field_mapping.board_id"
    opened = tickets.open()
    assert refusal_of(tickets.update(opened, board_id="Closed only"))[1] == "field_mapping.board_id"
    assert refusal_of(tickets.change_status(opened, board_id="Projects", status_id="Waiting"))[1] == (
        "field_mapping.status_id"
    )
    assert tickets.change_status(opened, board_id="Projects", status_id="Over").status == "dispatched"
    assert tickets.status_name(opened) == "Over"
    assert tickets.row(opened)["is_closed"]


def test_what_does_not_fit_on_another_board_or_at_another_client_is_cleared(tickets: Tickets) -> None:
    base, ids = tickets.base, tickets.base.tenant.ids
    desk_only = add(base, "ticket_categories", board_id=ids["board"], name="Desk only")
    add(base, "ticket_categories", parent_id=desk_only, name="Desk detail")
    board = tickets.add_board("Second desk", New=False)
    add(base, "ticket_categories", board_id=board, name="Second only")
    client = add(base, "clients", name="Second client")
    add(base, "client_locations", client_id=client, name="Second office")
    parts = {"location_id": "Head office", "contact_id": "carla@acme.example"}
    kept = tickets.open(category_id="Hardware", subcategory_id="Disk", **parts)
    lost = tickets.open(category_id="Desk only", subcategory_id="Desk detail", **parts)
    for external_id in (kept, lost):
        tickets.change_status(external_id, board_id="Second desk", status_id="New")
    row, cleared = tickets.row(kept), tickets.row(lost)
    assert (row["category_id"], row["subcategory_id"]) == (ids["category"], ids["subcategory"])
    assert (cleared["category_id"], cleared["subcategory_id"]) == (None, None)
    assert {cleared["location_id"], cleared["contact_id"]} == {ids["location"], ids["contact"]}
    tickets.update(lost, category_id="Second only", client_id="Second client", location_id="Second office")
    row = tickets.row(lost)
    assert (row["client_id"], row["contact_id"], row["category_id"] is None) == (client, None, False)
    assert row["location_id"] not in (None, ids["location"])
    base.write("UPDATE contacts SET client_id = %s WHERE id = %s", [client, ids["contact"]])
    try:
        tickets.update(kept, title="The contact works elsewhere by now")
        assert tickets.row(kept)["contact_id"] == ids["contact"]  # nobody moved the ticket
        tickets.update(kept, client_id="Second client")
        assert (tickets.row(kept)["contact_id"], tickets.row(kept)["location_id"]) == (ids["contact"], None)
    finally:
        base.write("UPDATE contacts SET client_id = %s WHERE id = %s", [ids["client"], ids["contact"]])


def test_assets_are_linked_beside_those_that_are(tickets: Tickets) -> None:
    base, ids = tickets.base, tickets.base.tenant.ids
    second = add(base, "assets", client_id=ids["client"], name="srv-02")
    external_id = tickets.open(asset_id="ACME-0001")
    outcome = tickets.update(external_id, asset_id="srv-02")
    assert outcome.body["metadata"]["updated_fields"] == ["asset_id"]
    assert tickets.links(external_id) == {ids["asset"], second}
    (event,) = take_events(base)
    assert event["changes"] == {"asset_id": {"previous": None, "new": str(second)}}
    assert not tickets.update(external_id, asset_id="srv-02").body["changed"]
    assert take_events(base) == []


def test_assignments_have_an_event_of_their_own(tickets: Tickets) -> None:
    external_id = tickets.open()
    tickets.update(external_id, assigned_to="technician", assigned_team_id="Service Desk", title="Yours")
    updated, assigned = take_events(tickets.base)
    assert (updated["type"], list(updated["changes"])) == ("ticket.updated", ["title"])
    assert (assigned["type"], sorted(assigned["changes"])) == ("ticket.assigned", ["assigned_team_id", "assigned_to"])


def test_one_webhook_opens_a_ticket_and_another_closes_it(tickets: Tickets) -> None:
    base, other = tickets.base, uuid4()
    base.register(other)
    external_id = tickets.open()
    request = tickets.request(CHANGE_STATUS, external_id, status_id="Closed") | {"webhook_id": str(other)}
    assert refusal_of(base.run(request)[0]) == ("LOOKUP_MISS", "field_mapping.external_id")
    options = {"external_ids_of": str(base.webhook_id)}
    again = request | {"options": options, "replay_id": str(uuid4())}
    assert base.run(again)[0].status == "dispatched"
    assert tickets.row(external_id)["is_closed"]
    assert {event["actor"]["id"] for event in take_events(base)} == {str(other)}
    base.write("UPDATE webhooks SET name = 'Renamed', slug = 'renamed' WHERE id = %s", [base.webhook_id])
    assert base.run(again | {"replay_id": str(uuid4())})[0].status == "dispatched"
