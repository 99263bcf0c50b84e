"""addTicketCommentByExternalId on a real Postgres."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from hookline.embedded.postgres import PostgresServer
from tests.support.actions import ActionBase, add, refusal_of, take_events
from tests.support.stack import new_database
from tests.support.tickets import ADD_COMMENT, Tickets

CARLA = "carla@acme.example"


@pytest.fixture(scope="module")
def tickets(postgres: PostgresServer) -> Iterator[Tickets]:
    with new_database(postgres.dsn) as dsn:
        yield Tickets(ActionBase.prepare(dsn))


def test_a_comment_without_an_author_is_the_webhooks_and_internal(tickets: Tickets) -> None:
    external_id = tickets.open()
    before = tickets.row(external_id)
    request = tickets.request(ADD_COMMENT, external_id, content="  Two lines\nof text ") | {"hops": 1}
    (outcome,) = tickets.base.run(request)
    (comment,) = tickets.comments(external_id)
    expected = {
        "content": "  Two lines\nof text ",
        "author_type": "webhook",
        "user_id": None,
        "contact_id": None,
        "webhook_id": tickets.base.webhook_id,
        "is_internal": True,
        "is_resolution": False,
    }
    assert {name: comment[name] for name in expected} == expected
    assert str(comment["delivery_id"]) == request["delivery_id"]
    assert outcome.body | {"message": ""} == {
        "action": ADD_COMMENT,
        "entity_type": "ticket",
        "entity_id": str(before["id"]),
        "external_id": external_id,
        "created": False,
        "changed": True,
        "message": "",
        "metadata": {"ticket_number": before["number"], "comment_id": str(comment["id"])},
    }
    (event,) = take_events(tickets.base)
    assert (event["type"], event["entity_type"], event["entity_id"]) == (
        "ticket.comment_added",
        "ticket",
        str(before["id"]),
    )
    assert (event["causation_id"], event["hops"], event["changes"]) == (request["delivery_id"], 2, {})
    assert event["data"]["title"] == before["title"]
    assert event["data"]["comment"]["content"] == comment["content"]
    assert tickets.row(external_id) == before


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"author_id": "technician"}, ("user", True, False)),
        ({"author_id": "Technician@demo.example", "is_internal": False}, ("user", False, False)),
        ({"contact_id": CARLA}, ("contact", False, False)),
        ({"contact_id": CARLA, "is_internal": False, "is_resolution": True}, ("contact", False, True)),
        ({"contact_id": CARLA, "author_id": None, "is_internal": None}, ("contact", False, False)),
        ({"is_internal": None, "is_resolution": None}, ("webhook", True, False)),
        ({"is_internal": False, "is_resolution": True}, ("webhook", False, True)),
    ],
)
def test_who_wrote_it_decides_who_sees_it_unless_that_is_mapped(
    tickets: Tickets, fields: dict[str, Any], expected: tuple[str, bool, bool]
) -> None:
    external_id = tickets.open()
    outcome = tickets.comment(external_id, content="Text", **fields)
    assert outcome.status == "dispatched", outcome.body
    (comment,) = tickets.comments(external_id)
    assert (comment["author_type"], comment["is_internal"], comment["is_resolution"]) == expected
    ids = tickets.base.tenant.ids
    assert comment["user_id"] == (ids["technician"] if expected[0] == "user" else None)
    assert comment["contact_id"] == (ids["contact"] if expected[0] == "contact" else None)


def test_a_comment_that_is_refused_names_its_field_and_is_not_written(tickets: Tickets) -> None:
    client = add(tickets.base, "clients", name="Other")
    add(tickets.base, "contacts", client_id=client, full_name="Olaf", email="olaf@other.example")
    add(tickets.base, "users", email="gone@demo.example", username="gone", full_name="Gone", is_active=False)
    external_id = tickets.open()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"content": ...}, "content"),
        ({"content": None}, "content"),
        ({"content": "x" * 100_001}, "content"),
        ({"author_id": "technician", "contact_id": CARLA}, "contact_id"),
        ({"contact_id": CARLA, "is_internal": True}, "is_internal"),
        ({"contact_id": "olaf@other.example"}, "contact_id"),
        ({"contact_id": "nobody@acme.example"}, "contact_id"),
        ({"author_id": str(uuid4())}, "author_id"),
        ({"author_id": "gone"}, "author_id"),
        ({"is_internal": "perhaps"}, "is_internal"),
        ({"title": "Text"}, "title"),
    ]
    for fields, field in cases:
        refusal = refusal_of(tickets.comment(external_id, **{"content": "Text"} | fields))
        assert refusal == ("VALIDATION_ERROR", f"field_mapping.{field}")
    miss = refusal_of(tickets.comment("unmapped", content="Text"))
    assert miss == ("LOOKUP_MISS", "field_mapping.external_id")
    assert tickets.comments(external_id) == take_events(tickets.base) == []


def test_a_delivery_that_comes_twice_leaves_one_comment_and_a_replay_another(tickets: Tickets) -> None:
    external_id = tickets.open()
    request = tickets.request(ADD_COMMENT, external_id, content="Once")
    first, second = tickets.base.run(request, request)
    assert (second.repeated, second.body) == (True, first.body)
    assert len(tickets.comments(external_id)) == 1
    (replayed,) = tickets.base.run(request | {"replay_id": str(uuid4())})
    assert replayed.body["metadata"]["comment_id"] != first.body["metadata"]["comment_id"]
    assert len(tickets.comments(external_id)) == 2


def test_comments_of_one_batch_are_read_in_the_order_they_came(tickets: Tickets) -> None:
    external_id = tickets.open()
    contents = [str(number) for number in range(12)]
    requests = [tickets.request(ADD_COMMENT, external_id, content=content) for content in contents]
    assert {outcome.status for outcome in tickets.base.run(*requests)} == {"dispatched"}
    assert [comment["content"] for comment in tickets.comments(external_id)] == contents
    tickets.base.run(tickets.request(ADD_COMMENT, external_id, content="of a slow clock"), at_us=1_000_000)
    assert tickets.comments(external_id)[-1]["content"] == "of a slow clock"
