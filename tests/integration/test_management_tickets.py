"""Tickets and their comments through the API: what they get by themselves, what fits them, what closes them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.entities import make_entity
from tests.support.events import check_events
from tests.support.management import ManagementBase, bearer
from tests.support.people import make_person
from tests.support.webhooks import create_webhook

Json = dict[str, Any]


def details(answer: httpx.Response) -> set[str]:
    return {detail["path"] for detail in answer.json()["error"]["details"]}


def refused(answer: httpx.Response, status: int, member: str) -> None:
    assert (answer.status_code, details(answer)) == (status, {member}), answer.text


def patched(base: ManagementBase, ticket: Json, **members: Any) -> Json:
    answer = base.call("PATCH", f"/tickets/{ticket['id']}", json=members)
    assert answer.status_code == 200, answer.text
    changed: Json = answer.json()
    return changed


def told(base: ManagementBase, ticket: Json) -> list[Json]:
    query = "SELECT payload FROM outbox WHERE entity_id = %s ORDER BY position"
    events = [row["payload"] for row in base.rows(query, (ticket["id"],))]
    check_events(events)
    return events


@pytest.fixture(scope="module")
def board(management_base: ManagementBase) -> Json:
    """The default one, with statuses New (default), Waiting and Done (closed), by their names beside `id`."""
    base = management_base
    board = make_entity(base, "board", is_default=True)
    of_board = {"board_id": board["id"]}
    return {
        "id": board["id"],
        "New": make_entity(base, "ticket_status", name="New", is_default=True, **of_board)["id"],
        "Waiting": make_entity(base, "ticket_status", name="Waiting", **of_board)["id"],
        "Done": make_entity(base, "ticket_status", name="Done", is_closed=True, **of_board)["id"],
    }


@pytest.fixture(scope="module")
def client_id(management_base: ManagementBase) -> str:
    return str(make_entity(management_base, "client")["id"])


def test_a_new_ticket_has_defaults_a_number_and_the_senders_id(
    management_base: ManagementBase, board: Json, client_id: str
) -> None:
    base = management_base
    priority = make_entity(base, "ticket_priority", is_default=True)
    webhook = create_webhook(base, "tickets")
    sender = {"external_id": "T-1", "webhook_id": webhook["id"]}
    body = {"title": " Printer ", "client_id": client_id}
    first = base.call("POST", "/tickets", json=body | sender)
    assert first.status_code == 201, first.text
    ticket = first.json()
    assert ticket["title"] == "Printer"
    assert (ticket["board_id"], ticket["status_id"]) == (board["id"], board["New"])
    assert (ticket["priority_id"], ticket["source"], ticket["webhook_id"]) == (priority["id"], "api", None)
    assert (ticket["is_closed"], ticket["closed_at"]) == (False, None)
    refused(base.call("POST", "/tickets", json=body | sender), 409, "external_id")
    refused(base.call("POST", "/tickets", json=body | {"external_id": "T-2"}), 400, "webhook_id")
    second = base.call("POST", "/tickets", json=body).json()
    assert second["number"] > ticket["number"]
    for wanted in (sender, {"search": str(ticket["number"]), "client_id": client_id, "status_id": board["New"]}):
        found = base.call("GET", "/tickets", params=wanted).json()["data"]
        assert ticket in found
        assert second not in found
    assert base.call("GET", "/tickets", params={"external_id": "T-1", "is_closed": True}).json()["data"] == []


def test_what_does_not_fit_board_category_or_client_is_refused_by_its_name(
    management_base: ManagementBase, board: Json, client_id: str
) -> None:
    base = management_base
    category = make_entity(base, "ticket_category", board_id=board["id"])
    subcategory = make_entity(base, "ticket_category", board_id=None, parent_id=category["id"])
    of_another = make_entity(base, "ticket_category", board_id=board["id"])
    fitting = {"category_id": category["id"], "subcategory_id": subcategory["id"]}
    ticket = make_entity(base, "ticket", client_id=client_id, board_id=board["id"], status_id=board["New"], **fitting)
    inactive, _ = make_person(base)
    base.write("UPDATE users SET is_active = false WHERE id = %s", (inactive,))
    wrong: list[Json] = [
        {"status_id": make_entity(base, "ticket_status")["id"]},
        {"category_id": make_entity(base, "ticket_category")["id"]},
        {"category_id": subcategory["id"]},
        {"subcategory_id": make_entity(base, "ticket_category", board_id=None, parent_id=of_another["id"])["id"]},
        {"location_id": make_entity(base, "client_location")["id"]},
        {"contact_id": make_entity(base, "contact")["id"]},
        {"asset_ids": [make_entity(base, "asset")["id"]]},
        {"assigned_to": str(inactive)},
        {"assigned_team_id": str(uuid4())},
        {"priority_id": str(uuid4())},
    ]
    before = base.call("GET", f"/tickets/{ticket['id']}").json()
    for members in wrong:
        (member,) = members
        refused(base.call("PATCH", f"/tickets/{ticket['id']}", json=members), 400, member)
        body = {"title": "x", "client_id": client_id, **members}
        refused(base.call("POST", "/tickets", json=body), 400, member)
    refused(base.call("PATCH", f"/tickets/{ticket['id']}", json={"status_id": None}), 400, "status_id")
    alone = {"title": "x", "client_id": client_id, "subcategory_id": subcategory["id"]}
    refused(base.call("POST", "/tickets", json=alone), 400, "subcategory_id")
    assert base.call("GET", f"/tickets/{ticket['id']}").json() == before
    without = patched(base, ticket, category_id=None)
    assert (without["category_id"], without["subcategory_id"]) == (None, None)


def test_on_another_board_it_has_the_status_of_the_same_name_else_the_default_one(
    management_base: ManagementBase, board: Json, client_id: str
) -> None:
    base = management_base
    category = make_entity(base, "ticket_category", board_id=board["id"])
    other = make_entity(base, "board")["id"]
    of_other = {"board_id": other}
    ticket = make_entity(base, "ticket", client_id=client_id, board_id=board["id"], status_id=board["Waiting"])
    ticket = patched(base, ticket, category_id=category["id"])
    refused(base.call("PATCH", f"/tickets/{ticket['id']}", json=of_other), 400, "status_id")
    default = make_entity(base, "ticket_status", name="Fresh", is_default=True, **of_other)["id"]
    closed = make_entity(base, "ticket_status", name="Over", is_closed=True, **of_other)["id"]
    both = of_other | {"category_id": category["id"]}
    refused(base.call("PATCH", f"/tickets/{ticket['id']}", json=both), 400, "category_id")
    stale = of_other | {"status_id": board["Waiting"]}
    refused(base.call("PATCH", f"/tickets/{ticket['id']}", json=stale), 400, "status_id")
    moved = patched(base, ticket, **of_other)
    assert (moved["status_id"], moved["category_id"], moved["is_closed"]) == (default, None, False)
    patched(base, ticket, board_id=board["id"], status_id=board["Waiting"])
    waiting = make_entity(base, "ticket_status", name="waiting", **of_other)["id"]
    assert patched(base, ticket, **of_other)["status_id"] == waiting
    done = patched(base, ticket, board_id=board["id"], status_id=board["Done"])
    over = patched(base, ticket, **of_other)
    assert (over["status_id"], over["is_closed"], over["closed_at"]) == (closed, True, done["closed_at"])


def test_at_another_client_it_keeps_nothing_of_the_one_before(management_base: ManagementBase, client_id: str) -> None:
    base = management_base
    of_client: Json = {"client_id": client_id}
    assets = [make_entity(base, "asset", **of_client)["id"] for _ in range(2)]
    contact, location = make_entity(base, "contact", **of_client), make_entity(base, "client_location", **of_client)
    parts = {"contact_id": contact["id"], "location_id": location["id"], "asset_ids": [assets[0], assets[0]]}
    ticket = make_entity(base, "ticket", **of_client, **parts)
    assert ticket["asset_ids"] == [assets[0]]
    assert patched(base, ticket, asset_ids=assets)["asset_ids"] == sorted(assets)
    other = {"client_id": make_entity(base, "client")["id"]}
    for member in parts:
        named = other | {member: parts[member]}
        refused(base.call("PATCH", f"/tickets/{ticket['id']}", json=named), 400, member)
    moved = patched(base, ticket, **other)
    assert [moved[member] for member in parts] == [None, None, []]
    events = told(base, ticket)
    assert [event["type"] for event in events] == ["ticket.created", "ticket.updated", "ticket.updated"]
    assert events[0]["data"]["asset_ids"] == [assets[0]]
    assert events[1]["changes"]["asset_ids"] == {"previous": [assets[0]], "new": sorted(assets)}


def test_it_is_closed_exactly_while_its_status_is(management_base: ManagementBase, board: Json) -> None:
    base = management_base
    ticket = make_entity(base, "ticket", board_id=board["id"], status_id=board["New"])
    closed = patched(base, ticket, status_id=board["Done"], attributes={"floor": None, "room": 7})
    assert closed["is_closed"]
    assert closed["closed_at"] == closed["updated_at"]
    assert closed["attributes"] == {"room": 7}
    assert patched(base, ticket, title="Ashes")["closed_at"] == closed["closed_at"]
    reopened = patched(base, ticket, status_id=board["Waiting"], attributes=None)
    assert (reopened["is_closed"], reopened["closed_at"], reopened["attributes"]) == (False, None, {})
    types = [event["type"].removeprefix("ticket.") for event in told(base, ticket)]
    assert types == ["created", "updated", "status_changed", "closed", "updated", "updated", "status_changed"]
    held = base.call("PATCH", f"/ticket-statuses/{board['Waiting']}", json={"is_closed": True})
    refused(held, 409, "is_closed")


def test_a_comment_is_of_whoever_calls_or_of_a_contact_of_the_client(management_base: ManagementBase) -> None:
    base = management_base
    ticket = make_entity(base, "ticket")
    path = f"/tickets/{ticket['id']}/comments"
    user, _ = make_person(base)
    user_id, other_id = str(user), str(make_person(base)[0])
    contact_id = make_entity(base, "contact", client_id=ticket["client_id"])["id"]
    own = bearer(base.new_key("*", user_id=user))
    base.write(
        "INSERT INTO user_roles (tenant_id, user_id, role_id) VALUES (%s, %s, %s)",
        (base.tenant.id, user_id, base.tenant.admin_role_id),
    )
    foreign_contact = make_entity(base, "contact")["id"]
    for headers, members, member in (
        (None, {}, "user_id"),
        (None, {"user_id": str(uuid4())}, "user_id"),
        (None, {"contact_id": contact_id, "user_id": user_id}, "user_id"),
        (None, {"contact_id": foreign_contact}, "contact_id"),
        (None, {"contact_id": contact_id, "is_internal": True}, "is_internal"),
        (own, {"user_id": other_id}, "user_id"),
        (own, {"content": " \n"}, "content"),
    ):
        refused(base.call("POST", path, headers=headers, json={"content": "x", **members}), 400, member)
    made = [
        base.call("POST", path, headers=headers, json={"content": text, **members})
        for text, headers, members in (
            ("by key", None, {"user_id": other_id, "is_internal": False}),
            ("own", own, {"is_resolution": True}),
            ("client's", own, {"contact_id": contact_id}),
        )
    ]
    assert [answer.status_code for answer in made] == [201, 201, 201]
    comments = [answer.json() for answer in made]
    shown = [
        (c["author_type"], c["user_id"] or c["contact_id"], c["is_internal"], c["is_resolution"]) for c in comments
    ]
    assert shown == [
        ("user", other_id, False, False),
        ("user", user_id, True, True),
        ("contact", contact_id, False, False),
    ]
    listed = base.call("GET", path).json()
    assert (listed["data"], listed["meta"]["total"]) == (comments[::-1], 3)
    assert base.call("GET", path, params={"is_internal": True}).json()["data"] == [comments[1]]
    assert base.call("GET", path, params={"per_page": 1, "page": 3}).json()["data"] == [comments[0]]
    events = told(base, ticket)[1:]
    assert [event["type"] for event in events] == ["ticket.comment_added"] * 3
    assert [event["data"]["comment"]["content"] for event in events] == ["by key", "own", "client's"]
    entries = base.rows("SELECT action FROM audit_entries WHERE resource_id = %s", (comments[0]["id"],))
    assert [entry["action"] for entry in entries] == ["ticket_comment.created"]
