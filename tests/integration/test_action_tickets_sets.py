"""Sets of ticket commands: bad ones beside good ones, the order for one ticket, statements, sinks at the same time."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from hookline.embedded.postgres import PostgresServer
from schemas.actions import ActionDefinition
from sinks.actions.tickets import ADD_TICKET_COMMENT, CHANGE_TICKET_STATUS, CREATE_TICKET, UPDATE_TICKET
from tests.support.actions import ActionBase, add, refusal_of, take_events
from tests.support.stack import new_database
from tests.support.statements import run_as_one_set
from tests.support.tickets import ADD_COMMENT, CHANGE_STATUS, UPDATE, Tickets
from tests.support.wait import eventually

MANY = 102
ON_UPDATE = {"options": {"on_existing": "update"}}


@pytest.fixture(scope="module")
def tickets(postgres: PostgresServer) -> Iterator[Tickets]:
    with new_database(postgres.dsn) as dsn:
        yield Tickets(ActionBase.prepare(dsn))


@pytest.fixture(scope="module")
def opened(tickets: Tickets) -> list[str]:
    """External ids of many tickets with parts that may not fit elsewhere."""
    external_ids = [uuid4().hex for _ in range(MANY)]
    parts = {"category_id": "Hardware", "contact_id": "carla@acme.example", "location_id": "Head office"}
    requests = [tickets.base.request({"external_id": external_id} | parts) for external_id in external_ids]
    assert {outcome.status for outcome in tickets.base.run(*requests)} == {"dispatched"}
    return external_ids


def test_bad_commands_of_a_set_fail_alone_and_take_no_number(tickets: Tickets) -> None:
    base, bad = tickets.base, {"location_id": "Nowhere"}
    ids = [tickets.open() for _ in range(4)]
    unknown = base.request({"external_id": "T"}, webhook_id=str(uuid4()))
    created = run_as_one_set(base, CREATE_TICKET, [base.request(), base.request(bad), unknown, base.request()]).outcomes
    assert [outcome.status for outcome in created] == ["dispatched", "failed", "failed", "dispatched"]
    assert refusal_of(created[2]) == ("LOOKUP_MISS", "field_mapping.external_id")
    good = [created[0], created[3], *base.run(base.request())]
    numbers = [outcome.body["metadata"]["ticket_number"] for outcome in good]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
    take_events(base)
    requests = [
        tickets.request(UPDATE, ids[0], title="Changed"),
        tickets.request(UPDATE, ids[1], title="Changed", **bad),
        tickets.request(UPDATE, "unmapped", title="Changed"),
        tickets.request(UPDATE, ids[2], title=None),
        tickets.request(UPDATE, ids[3], title="Changed"),
    ]
    outcomes = run_as_one_set(base, UPDATE_TICKET, requests).outcomes
    assert [refusal_of(outcome)[0] for outcome in outcomes[1:4]] == [
        "VALIDATION_ERROR",
        "LOOKUP_MISS",
        "VALIDATION_ERROR",
    ]
    assert [tickets.row(external_id)["title"] == "Changed" for external_id in ids] == [True, False, False, True]
    assert len(take_events(base)) == 2
    again = [base.request({"external_id": external_id, "title": "Again"}, **ON_UPDATE) for external_id in ids]
    again[1]["fields"] |= bad
    again.append(base.request({"external_id": uuid4().hex}, **ON_UPDATE))
    assert [outcome.body.get("created") for outcome in base.run(*again)] == [False, None, False, False, True]
    assert [tickets.row(external_id)["title"] == "Again" for external_id in ids] == [True, False, True, True]


def test_a_row_that_the_database_refuses_leaves_its_neighbours_alone(tickets: Tickets) -> None:
    ids = [tickets.open() for _ in range(6)]
    tickets.base.write("ALTER TABLE tickets ADD CONSTRAINT poison CHECK (title <> 'poison')")
    try:
        requests = [tickets.request(UPDATE, each, title="poison" if each == ids[4] else "fine") for each in ids]
        outcomes = tickets.base.run(*requests)
    finally:
        tickets.base.write("ALTER TABLE tickets DROP CONSTRAINT poison")
    assert [outcome.is_internal for outcome in outcomes] == [False, False, False, False, True, False]
    assert [tickets.row(each)["title"] == "fine" for each in ids] == [True, True, True, True, False, True]


def sets(base: ActionBase, tickets: Tickets) -> list[tuple[ActionDefinition, Any]]:
    """Sets of every kind as functions of the tickets they are about."""
    moved = {"board_id": "Projects", "client_id": "Second client", "category_id": "Of projects", "asset_id": "srv-9"}
    plain = {"priority_id": "High", "assigned_to": "technician", "attributes": {"x": 1}}

    def each(make: Any) -> Any:
        return lambda ids: [make(number, external_id) for number, external_id in enumerate(ids)]

    return [
        (CREATE_TICKET, each(lambda n, _: base.request({"external_id": uuid4().hex, "asset_id": "ACME-0001"} | plain))),
        (
            CREATE_TICKET,
            each(lambda n, i: base.request({"external_id": i, "asset_id": "ACME-0001", "title": str(n)}, **ON_UPDATE)),
        ),
        (UPDATE_TICKET, each(lambda n, i: tickets.request(UPDATE, i, title=f"{n} again", **plain))),
        (ADD_TICKET_COMMENT, each(lambda n, i: tickets.request(ADD_COMMENT, i, content=str(n), author_id="admin"))),
        (UPDATE_TICKET, each(lambda _, i: tickets.request(UPDATE, i, **moved))),
        (
            CHANGE_TICKET_STATUS,
            each(lambda _, i: tickets.request(CHANGE_STATUS, i, board_id="Service Desk", status_id="Closed")),
        ),
    ]


def test_many_commands_run_as_few_statements_as_two(tickets: Tickets, opened: Sequence[str]) -> None:
    base = tickets.base
    board = tickets.add_board("Projects", Planned=False, New=False)
    add(base, "ticket_categories", board_id=board, name="Of projects")
    add(base, "assets", client_id=add(base, "clients", name="Second client"), name="srv-9")
    for definition, requests in sets(base, tickets):
        few, many = (run_as_one_set(base, definition, requests(ids)) for ids in (opened[:2], opened[2:]))
        assert {outcome.status for outcome in few.outcomes + many.outcomes} == {"dispatched"}
        assert many.statements == few.statements, definition.name
        assert len(few.statements) <= 12, definition.name
    changed = base.rows("SELECT id, is_closed, title FROM tickets WHERE title LIKE %s", ["% again"])
    assert [row["is_closed"] for row in changed] == [True] * MANY
    links = base.rows("SELECT ticket_id FROM ticket_assets WHERE ticket_id = ANY(%s)", [[row["id"] for row in changed]])
    assert len(links) == 2 * MANY
    assert base.count("ticket_comments") >= MANY


def test_commands_for_one_ticket_keep_their_order_whatever_their_actions(tickets: Tickets) -> None:
    external_id = tickets.open()
    outcomes = tickets.base.run(
        tickets.request(UPDATE, external_id, title="First"),
        tickets.request(ADD_COMMENT, external_id, content="Between"),
        tickets.request(UPDATE, external_id, title="Second", status_id="Closed"),
        tickets.request(ADD_COMMENT, external_id, content="After"),
        tickets.request(CHANGE_STATUS, external_id, status_id="New"),
    )
    assert {outcome.status for outcome in outcomes} == {"dispatched"}
    seen = [
        (event["type"], event["data"]["title"], event["data"]["is_closed"])
        for event in take_events(tickets.base)
        if event["type"] != "ticket.closed"
    ]
    assert seen == [
        ("ticket.updated", "First", False),
        ("ticket.comment_added", "First", False),
        ("ticket.updated", "Second", True),
        ("ticket.status_changed", "Second", True),
        ("ticket.comment_added", "Second", True),
        ("ticket.status_changed", "Second", False),
    ]
    assert [comment["content"] for comment in tickets.comments(external_id)] == ["Between", "After"]


def test_two_commands_of_a_set_that_mean_one_ticket_see_each_other(tickets: Tickets) -> None:
    base, other = tickets.base, uuid4()
    base.register(other)
    board = tickets.add_board("Third desk", Waiting=False, New=False)
    external_id = tickets.open()
    base.write(
        "INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id) "
        "SELECT tenant_id, gen_random_uuid(), %s, entity_type, 'other', entity_id FROM external_entity_mappings "
        "WHERE external_id = %s",
        [other, external_id],
    )
    add(base, "ticket_categories", board_id=base.tenant.ids["board"], name="First desk only")
    parts = {"category_id": "First desk only", "asset_id": "ACME-0001"}
    first = tickets.request(UPDATE, external_id, status_id="Waiting", **parts)
    second = tickets.request(UPDATE, "other", board_id="Third desk", asset_id="ACME-0001") | {"webhook_id": str(other)}
    linked, moved = run_as_one_set(base, UPDATE_TICKET, [first, second]).outcomes
    assert "asset_id" in linked.body["metadata"]["updated_fields"]
    assert moved.body["metadata"]["updated_fields"] == ["board_id", "category_id", "status_id"]
    row = tickets.row(external_id)
    assert (row["board_id"], tickets.status_name(external_id), row["category_id"]) == (board, "Waiting", None)


def test_an_update_waits_for_a_writer_who_does_not_know_of_external_ids(tickets: Tickets) -> None:
    base, external_id = tickets.base, tickets.open(attributes={"first": 1})
    ticket_id = tickets.row(external_id)["id"]
    with ThreadPoolExecutor(1) as threads, psycopg.connect(base.dsn) as writer:
        writer.execute("""UPDATE tickets SET attributes = attributes || '{"theirs": 1}' WHERE id = %s""", [ticket_id])
        update = threads.submit(tickets.update, external_id, attributes={"ours": 1})
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        eventually(lambda: base.rows(waiting), timeout_seconds=60, what="the update waits")
        writer.commit()
        assert update.result().status == "dispatched"
    assert tickets.row(external_id)["attributes"] == {"first": 1, "theirs": 1, "ours": 1}


def test_updates_at_the_same_time_lose_nothing(tickets: Tickets) -> None:
    ids = [tickets.open() for _ in range(5)]
    batches = []
    for number in range(8):
        order = ids if number % 2 else ids[::-1]
        updates = [tickets.request(UPDATE, each, attributes={f"b{number}": number}) for each in order]
        batches.append(updates + [tickets.request(ADD_COMMENT, each, content=str(number)) for each in order])
    with ThreadPoolExecutor(4) as threads:
        outcomes = [
            outcome for batch in threads.map(lambda batch: tickets.base.run(*batch), batches) for outcome in batch
        ]
    assert {outcome.status for outcome in outcomes} == {"dispatched"}
    for external_id in ids:
        assert tickets.row(external_id)["attributes"] == {f"b{number}": number for number in range(8)}
        assert sorted(comment["content"] for comment in tickets.comments(external_id)) == [str(n) for n in range(8)]
    assert len({event["event_id"] for event in take_events(tickets.base)}) == 80
