"""Statuses, priorities and categories of tickets through the API: defaults, and what tickets hold in place."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.support.entities import make_entity
from tests.support.management import ManagementBase
from tests.support.webhooks import problems_of

Json = dict[str, Any]


def is_default(base: ManagementBase, path: str, entity: Json) -> bool:
    found: bool = base.call("GET", f"{path}/{entity['id']}").json()["is_default"]
    return found


def ids_of(base: ManagementBase, path: str, **filters: Any) -> set[str]:
    return {row["id"] for row in base.call("GET", path, params={"per_page": 100, **filters}).json()["data"]}


def add_ticket(base: ManagementBase, status: Json, **columns: Any) -> None:
    row = {
        **{"tenant_id": base.tenant.id, "id": uuid4(), "number": uuid4().int % 10**9 + 1},
        **{"client_id": make_entity(base, "client")["id"], "board_id": status["board_id"], "status_id": status["id"]},
        **columns,
    }
    base.write(
        f"INSERT INTO tickets ({', '.join(row)}, title, is_closed, source, created_at, updated_at) "  # noqa: S608
        f"VALUES ({', '.join(['%s'] * len(row))}, 'Disk full', false, 'api', now(), now())",
        list(row.values()),
    )


def test_each_board_has_a_default_status_of_its_own(management_base: ManagementBase) -> None:
    base, path = management_base, "/ticket-statuses"
    first = make_entity(base, "ticket_status", is_default=True)
    elsewhere = make_entity(base, "ticket_status", is_default=True)
    second = make_entity(base, "ticket_status", board_id=first["board_id"], is_default=True)
    assert [is_default(base, path, one) for one in (first, second, elsewhere)] == [False, True, True]
    base.call("PATCH", f"{path}/{first['id']}", json={"is_default": True})
    assert [is_default(base, path, one) for one in (first, second, elsewhere)] == [True, False, True]
    refused = base.call("PATCH", f"{path}/{first['id']}", json={"is_active": False})
    assert set(problems_of(refused)) == {"is_default"}
    assert set(problems_of(base.call("PATCH", f"{path}/{first['id']}", json={"board_id": str(uuid4())}))) == {
        "board_id"
    }
    assert ids_of(base, path, board_id=first["board_id"]) == {first["id"], second["id"]}
    assert ids_of(base, path, board_id=first["board_id"], is_closed=True) == set()
    assert base.call("DELETE", f"/boards/{first['board_id']}").status_code == 204
    assert base.call("GET", f"{path}/{second['id']}").status_code == 404


def test_a_status_that_tickets_have_neither_closes_nor_goes(management_base: ManagementBase) -> None:
    base = management_base
    status = make_entity(base, "ticket_status")
    path = f"/ticket-statuses/{status['id']}"
    add_ticket(base, status)
    refused = base.call("PATCH", path, json={"is_closed": True})
    assert refused.status_code == 409
    assert [one["path"] for one in refused.json()["error"]["details"]] == ["is_closed"]
    assert base.call("PATCH", path, json={"name": "Waiting", "is_active": False}).json()["name"] == "Waiting"
    for held in (path, f"/boards/{status['board_id']}"):
        kept = base.call("DELETE", held)
        assert (kept.status_code, "deactivate it instead" in kept.json()["error"]["message"]) == (409, True)


def test_of_priorities_one_at_most_is_the_default_and_one_in_use_stays(management_base: ManagementBase) -> None:
    base, path = management_base, "/ticket-priorities"
    first = make_entity(base, "ticket_priority", is_default=True)
    second = make_entity(base, "ticket_priority", is_default=True)
    assert [is_default(base, path, one) for one in (first, second)] == [False, True]
    make_entity(base, "board", default_priority_id=first["id"])
    kept = base.call("DELETE", f"{path}/{first['id']}")
    assert (kept.status_code, "boards" in kept.json()["error"]["message"]) == (409, True)
    for level in (-1, 1.5, True, 10**10, "high"):
        refused = base.call("PATCH", f"{path}/{first['id']}", json={"level": level})
        assert set(problems_of(refused)) == {"level"}, level


def test_a_subcategory_is_where_its_category_is_and_has_none_of_its_own(management_base: ManagementBase) -> None:
    base, path = management_base, "/ticket-categories"
    board_id = make_entity(base, "board")["id"]
    of_all = make_entity(base, "ticket_category", board_id=None)
    category = make_entity(base, "ticket_category", board_id=board_id)
    below = make_entity(base, "ticket_category", board_id=None, parent_id=category["id"], name=category["name"])
    assert ids_of(base, path, board_id=board_id) == {category["id"]}
    assert ids_of(base, path, parent_id=category["id"]) == {below["id"]}
    wrong = {"name": "Other", "parent_id": below["id"]}
    assert set(problems_of(base.call("POST", path, json=wrong))) == {"parent_id"}
    assert set(problems_of(base.call("POST", path, json=wrong | {"parent_id": str(uuid4())}))) == {"parent_id"}
    with_board = {"name": "Other", "parent_id": category["id"], "board_id": board_id}
    assert set(problems_of(base.call("POST", path, json=with_board))) == {"board_id"}
    taken = base.call("POST", path, json={"name": of_all["name"].upper()})
    assert taken.status_code == 409
    kept = base.call("DELETE", f"{path}/{category['id']}")
    assert (kept.status_code, "subcategories" in kept.json()["error"]["message"]) == (409, True)
    add_ticket(base, make_entity(base, "ticket_status", board_id=board_id), category_id=category["id"])
    assert base.call("DELETE", f"{path}/{below['id']}").status_code == 204
    assert base.call("DELETE", f"{path}/{category['id']}").status_code == 409
