"""createTicket on a real Postgres: defaults, references, mappings, updates, events."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from sinks.actions.execution import Outcome
from tests.support.actions import TRACE_ID, ActionBase, add, add_mapping, refusal_of, ticket_of

OTHER_TENANT = UUID("0190b0a4-0000-7000-8000-0000000000ff")


@pytest.fixture
def base(migrated_dsn: str) -> ActionBase:
    return ActionBase.prepare(migrated_dsn)


def test_title_and_client_give_a_ticket_with_the_defaults_and_one_event(base: ActionBase) -> None:
    request = base.request(hops=2)
    (outcome,) = base.run(request)
    ticket, ids = ticket_of(base, outcome), base.tenant.ids
    assert (ticket["board_id"], ticket["status_id"], ticket["priority_id"]) == (ids["board"], ids["new"], ids["medium"])
    assert (ticket["source"], ticket["is_closed"], ticket["closed_at"]) == ("webhook", False, None)
    assert (ticket["trace_id"], str(ticket["delivery_id"])) == (TRACE_ID, request["delivery_id"])
    assert outcome.body | {"message": ""} == {
        "action": "createTicket",
        "entity_type": "ticket",
        "entity_id": str(ticket["id"]),
        "external_id": None,
        "created": True,
        "changed": True,
        "message": "",
        "metadata": {"ticket_number": ticket["number"]},
    }
    (event,) = base.rows("SELECT * FROM outbox")
    payload = event["payload"]
    assert (payload["type"], payload["hops"], payload["causation_id"]) == ("ticket.created", 3, request["delivery_id"])
    assert payload["actor"] == {"type": "webhook", "id": str(base.webhook_id), "name": "rmm-alerts"}
    assert (payload["data"]["id"], payload["data"]["title"]) == (str(ticket["id"]), ticket["title"])
    (applied,) = base.rows("SELECT * FROM applied_commands")
    assert (applied["status"], applied["outcome"], applied["trace_id"]) == ("dispatched", outcome.body, TRACE_ID)


def test_every_field_is_stored(base: ActionBase) -> None:
    fields = {
        "external_id": "T-1",
        "client_id": str(base.tenant.ids["client"]).upper(),
        "board_id": "service desk",
        "status_id": "WAITING",
        "priority_id": "critical",
        "description": "Two lines\nof text",
        "due_date": "2026-03-01T10:00:00+01:00",
        "assigned_to": "Technician@demo.example",
        "assigned_team_id": "Service desk",
        "location_id": "head OFFICE",
        "category_id": "hardware",
        "subcategory_id": "disk",
        "contact_id": "carla@ACME.example",
        "asset_id": "acme-0001",
        "attributes": {"a": {"b": [1, None, "x"]}},
    }
    ticket, ids = ticket_of(base, base.run(base.request(fields))[0]), base.tenant.ids
    expected = {
        "client_id": "client",
        "status_id": "waiting",
        "priority_id": "critical",
        "assigned_to": "technician",
        "assigned_team_id": "team",
        "location_id": "location",
        "category_id": "category",
        "subcategory_id": "subcategory",
        "contact_id": "contact",
    }
    assert {column: ticket[column] for column in expected} == {c: ids[name] for c, name in expected.items()}
    assert ticket["attributes"] == fields["attributes"]
    assert ticket["due_date"].isoformat() == "2026-03-01T09:00:00+00:00"
    assert [row["asset_id"] for row in base.rows("SELECT asset_id FROM ticket_assets")] == [ids["asset"]]
    (mapping,) = base.rows("SELECT * FROM external_entity_mappings")
    assert (mapping["external_id"], mapping["entity_id"], mapping["webhook_id"]) == (
        "T-1",
        ticket["id"],
        base.webhook_id,
    )


def test_a_closed_status_sets_closed_at(base: ActionBase) -> None:
    ticket = ticket_of(base, base.run(base.request({"status_id": "Closed"}))[0])
    assert ticket["is_closed"]
    assert ticket["closed_at"] == ticket["created_at"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"title": None}, "title"),
        ({"title": ...}, "title"),
        ({"title": "x" * 501}, "title"),
        ({"client_id": ...}, "client_id"),
        ({"client_id": "Nobody"}, "client_id"),
        ({"client_id": str(uuid4())}, "client_id"),
        ({"priority_id": "urgent"}, "priority_id"),
        ({"board_id": "none"}, "board_id"),
        ({"status_id": "none"}, "status_id"),
        ({"category_id": "Disk"}, "category_id"),
        ({"subcategory_id": "Disk"}, "subcategory_id"),
        ({"assigned_to": "nobody"}, "assigned_to"),
        ({"attributes": [1]}, "attributes"),
        ({"due_date": "tomorrow"}, "due_date"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_value_that_does_not_fit_names_its_field_and_writes_nothing(
    base: ActionBase, fields: dict[str, Any], path: str
) -> None:
    (outcome,) = base.run(base.request(fields))
    assert refusal_of(outcome) == ("VALIDATION_ERROR", f"field_mapping.{path}")
    assert base.count("tickets") == base.count("outbox") == base.count("external_entity_mappings") == 0
    (applied,) = base.rows("SELECT status, outcome FROM applied_commands")
    assert applied == {"status": "failed", "outcome": outcome.body}


def test_parts_of_another_client_or_board_are_refused(base: ActionBase) -> None:
    client = add(base, "clients", name="Other")
    add(base, "client_locations", client_id=client, name="Annex")
    add(base, "contacts", client_id=client, full_name="Olaf", email="olaf@other.example")
    add(base, "assets", client_id=client, name="other-srv")
    board = add(base, "boards", name="Projects")
    status = add(base, "ticket_statuses", board_id=board, name="Planned", position=1, is_default=True)
    category = add(base, "ticket_categories", board_id=board, name="Roadmap")
    add(base, "ticket_categories", parent_id=category, name="Quarter")
    cases = {
        "location_id": "Annex",
        "contact_id": "olaf@other.example",
        "asset_id": "other-srv",
        "status_id": str(status),
        "category_id": "Roadmap",
    }
    for field, value in cases.items():
        (outcome,) = base.run(base.request({field: value}))
        assert refusal_of(outcome) == ("VALIDATION_ERROR", f"field_mapping.{field}")
        assert "does not belong" in outcome.body["message"]
    (outcome,) = base.run(base.request({"category_id": "Hardware", "subcategory_id": "Quarter"}))
    assert refusal_of(outcome) == ("VALIDATION_ERROR", "field_mapping.subcategory_id")
    (outcome,) = base.run(base.request({"board_id": "projects"}))
    assert ticket_of(base, outcome)["status_id"] == status


def test_ambiguous_and_inactive_names_are_refused(base: ActionBase) -> None:
    for _ in range(2):
        add(base, "assets", client_id=base.tenant.ids["client"], name="twin")
    add(base, "clients", name="Sleeping", is_inactive=True)
    (twin, sleeping) = base.run(base.request({"asset_id": "twin"}), base.request({"client_id": "Sleeping"}))
    assert refusal_of(twin) == ("VALIDATION_ERROR", "field_mapping.asset_id")
    assert "several" in twin.body["message"]
    assert refusal_of(sleeping) == ("VALIDATION_ERROR", "field_mapping.client_id")


def test_a_status_name_of_two_boards_is_the_one_of_the_tickets_board(base: ActionBase) -> None:
    board = add(base, "boards", name="Projects")
    add(base, "ticket_statuses", board_id=board, name="New", position=1, is_default=True)
    ticket = ticket_of(base, base.run(base.request({"status_id": "new"}))[0])
    assert ticket["status_id"] == base.tenant.ids["new"]


def test_the_boards_priority_comes_before_the_tenants(base: ActionBase) -> None:
    base.write("UPDATE boards SET default_priority_id = %s", [base.tenant.ids["low"]])
    assert ticket_of(base, base.run(base.request())[0])["priority_id"] == base.tenant.ids["low"]


def add_other_tenant(base: ActionBase) -> UUID:
    base.write("INSERT INTO tenants (id, slug, name) VALUES (%s, 'other', 'Other')", [OTHER_TENANT])
    return add(base, "clients", tenant_id=OTHER_TENANT, name="Foreign Ltd")


def test_another_tenants_reference_is_as_if_missing(base: ActionBase) -> None:
    client_id = add_other_tenant(base)
    by_id, by_name, unknown = base.run(
        *(base.request({"client_id": text}) for text in (str(client_id), "Foreign Ltd", str(uuid4())))
    )
    assert refusal_of(by_id) == refusal_of(by_name) == refusal_of(unknown)
    unlike = [text.body["message"].split("'")[2] for text in (by_id, by_name, unknown)]
    assert len(set(unlike)) == 1


def test_one_batch_may_hold_several_tenants_and_an_unknown_one(base: ActionBase) -> None:
    add_other_tenant(base)
    requests = [
        base.request(),
        base.request({"client_id": "Foreign Ltd"}, tenant_id=str(OTHER_TENANT)),
        base.request(tenant_id=str(uuid4())),
        base.request(),
    ]
    outcomes = base.run(*requests)
    assert [outcome.status for outcome in outcomes] == ["dispatched", "failed", "failed", "dispatched"]
    assert refusal_of(outcomes[1]) == ("VALIDATION_ERROR", "field_mapping.board_id")  # it has no board at all
    assert refusal_of(outcomes[2]) == ("LOOKUP_MISS", None)


def test_owner_and_asset_by_external_id(base: ActionBase) -> None:
    add_mapping(base, "client", "42", base.tenant.ids["client"])
    add_mapping(base, "asset", "42", base.tenant.ids["asset"])
    fields = {"client_id": ..., "client_external_id": "42", "asset_external_id": "42", "external_id": "42"}
    ticket = ticket_of(base, base.run(base.request(fields))[0])
    assert ticket["client_id"] == base.tenant.ids["client"]
    assert base.rows("SELECT asset_id FROM ticket_assets") == [{"asset_id": base.tenant.ids["asset"]}]
    assert base.count("external_entity_mappings") == 3


def test_an_unmapped_external_id_of_an_owner_is_a_miss(base: ActionBase) -> None:
    (client,) = base.run(base.request({"client_id": ..., "client_external_id": "7"}))
    assert refusal_of(client) == ("LOOKUP_MISS", "field_mapping.client_external_id")
    (asset,) = base.run(base.request({"asset_external_id": "7"}))
    assert refusal_of(asset) == ("LOOKUP_MISS", "field_mapping.asset_external_id")


def test_two_ways_to_name_the_client_must_agree(base: ActionBase) -> None:
    add_mapping(base, "client", "7", add(base, "clients", name="Other"))
    (outcome,) = base.run(base.request({"client_external_id": "7"}))
    assert refusal_of(outcome) == ("VALIDATION_ERROR", "field_mapping.client_external_id")


def test_an_external_id_in_two_realms_needs_one_without(base: ActionBase) -> None:
    other = add(base, "clients", name="Other")
    add_mapping(base, "client", "7", base.tenant.ids["client"], "realm-1")
    fields = {"client_id": ..., "client_external_id": "7"}
    assert ticket_of(base, base.run(base.request(fields))[0])["client_id"] == base.tenant.ids["client"]
    add_mapping(base, "client", "7", other, "realm-2")
    assert refusal_of(base.run(base.request(fields))[0]) == ("VALIDATION_ERROR", "field_mapping.client_external_id")


def test_the_same_external_id_again_is_a_conflict_an_update_or_ignored(base: ActionBase) -> None:
    first = base.run(base.request({"external_id": "T"}))[0]
    changed = {"external_id": "T", "title": "Changed"}
    conflict, ignored, updated, same = base.run(
        base.request(changed),
        base.request(changed, options={"on_existing": "ignore"}),
        base.request(changed, options={"on_existing": "update"}),
        base.request(changed, options={"on_existing": "update"}),
    )
    assert refusal_of(conflict) == ("CONFLICT", "field_mapping.external_id")
    assert first.body["entity_id"] in conflict.body["message"]
    assert [o.body["changed"] for o in (ignored, updated, same)] == [False, True, False]
    assert updated.body["metadata"]["updated_fields"] == ["title"]
    assert base.count("tickets") == 1
    assert [row["title"] for row in base.rows("SELECT title FROM tickets")] == ["Changed"]
    assert [row["event_type"] for row in base.rows("SELECT event_type FROM outbox ORDER BY position")] == [
        "ticket.created",
        "ticket.updated",
    ]


def update(base: ActionBase, fields: dict[str, Any]) -> Outcome:
    return base.run(base.request({"external_id": "T"} | fields, options={"on_existing": "update"}))[0]


def test_an_update_leaves_unmapped_fields_clears_null_and_merges_attributes(base: ActionBase) -> None:
    due = {"due_date": "2026-03-01T10:00:00Z", "description": "kept", "attributes": {"a": {"b": 1}, "gone": 1}}
    base.run(base.request({"external_id": "T"} | due))
    outcome = update(base, {"due_date": None, "priority_id": "High", "attributes": {"a": {"c": 2}, "gone": None}})
    ticket = ticket_of(base, outcome)
    assert (ticket["due_date"], ticket["description"]) == (None, "kept")
    assert ticket["attributes"] == {"a": {"b": 1, "c": 2}}
    assert ticket["priority_id"] == base.tenant.ids["high"]
    assert outcome.body["metadata"]["updated_fields"] == ["attributes", "due_date", "priority_id"]


def test_closing_and_reopening_by_update_tell_their_events(base: ActionBase) -> None:
    base.run(base.request({"external_id": "T"}))
    base.write("DELETE FROM outbox")
    closed = ticket_of(base, update(base, {"status_id": "Closed", "assigned_to": "technician"}))
    assert closed["closed_at"] is not None
    events = [row["event_type"] for row in base.rows("SELECT event_type FROM outbox ORDER BY position")]
    assert events == ["ticket.assigned", "ticket.status_changed", "ticket.closed"]
    assert ticket_of(base, update(base, {"title": "Still closed"}))["closed_at"] == closed["closed_at"]
    assert ticket_of(base, update(base, {"status_id": "New"}))["closed_at"] is None


def test_a_moved_ticket_keeps_its_status_by_name_and_loses_what_no_longer_fits(base: ActionBase) -> None:
    board = add(base, "boards", name="Projects")
    planned = add(base, "ticket_statuses", board_id=board, name="Planned", position=1, is_default=True)
    new = add(base, "ticket_statuses", board_id=board, name="new", position=2)
    done = add(base, "ticket_statuses", board_id=board, name="Done", position=3, is_closed=True)
    add(base, "ticket_categories", board_id=base.tenant.ids["board"], name="Desk only")
    base.run(base.request({"external_id": "T", "category_id": "Desk only", "location_id": "Head office"}))
    moved = ticket_of(base, update(base, {"board_id": "Projects"}))
    assert (moved["status_id"], moved["category_id"]) == (new, None)
    assert moved["location_id"] == base.tenant.ids["location"]
    assert ticket_of(base, update(base, {"board_id": "Service Desk", "status_id": "Waiting"}))["board_id"] != board
    assert ticket_of(base, update(base, {"board_id": "Projects"}))["status_id"] == planned
    update(base, {"board_id": "Service Desk", "status_id": "Resolved"})
    assert ticket_of(base, update(base, {"board_id": "Projects"}))["status_id"] == done
    add(base, "clients", name="Other")
    assert ticket_of(base, update(base, {"client_id": "Other"}))["location_id"] is None


def test_an_update_that_is_refused_writes_nothing(base: ActionBase) -> None:
    base.run(base.request({"external_id": "T"}))
    before = base.rows("SELECT * FROM tickets")
    assert refusal_of(update(base, {"title": "New", "asset_id": "none"}))[1] == "field_mapping.asset_id"
    assert refusal_of(update(base, {"board_id": None}))[1] == "field_mapping.board_id"
    large = {"x": "y" * 40_000}
    assert update(base, {"attributes": large}).status == "dispatched"
    assert refusal_of(update(base, {"attributes": {"z": "y" * 40_000}}))[1] == "field_mapping.attributes"
    assert before[0]["title"] == base.rows("SELECT title FROM tickets")[0]["title"]


def test_another_webhooks_namespace_is_used_with_external_ids_of(base: ActionBase) -> None:
    other = uuid4()
    base.register(other)
    base.run(base.request({"external_id": "T"}))
    shared = {"webhook_id": str(other), "options": {"external_ids_of": str(base.webhook_id)}}
    own, through = base.run(
        base.request({"external_id": "T"}, webhook_id=str(other)), base.request({"external_id": "T"}, **shared)
    )
    assert own.status == "dispatched"
    assert refusal_of(through) == ("CONFLICT", "field_mapping.external_id")
    (unknown,) = base.run(base.request({"external_id": "T"}, webhook_id=str(uuid4())))
    assert refusal_of(unknown) == ("LOOKUP_MISS", "field_mapping.external_id")
