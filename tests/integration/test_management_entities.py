"""Every kind of entity through the API: made, listed, filtered, changed, told of, audited and deleted, all alike."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from infra.entities.events import ENTITY_EVENTS
from tests.support.entities import EXAMPLES, body_of, make_entity
from tests.support.events import check_events
from tests.support.management import ManagementBase
from tests.support.operations import Operation, all_operations

OPERATIONS = {operation.name: operation for operation in all_operations()}
KINDS = pytest.mark.parametrize("kind", EXAMPLES)
TAKEN = pytest.mark.parametrize("kind", [kind for kind, example in EXAMPLES.items() if example.taken is not None])


def operation_of(kind: str, verb: str) -> Operation | None:
    return OPERATIONS.get(f"{verb}_{kind}")


def one(kind: str, entity: dict[str, Any]) -> str:
    return f"{EXAMPLES[kind].path}/{entity['id']}"


def details(answer: httpx.Response) -> set[str]:
    return {detail["path"] for detail in answer.json()["error"]["details"]}


def test_every_kind_that_the_api_makes_has_an_example() -> None:
    made = {name.removeprefix("create_") for name, op in OPERATIONS.items() if op.path.strip("/").count("/") == 0}
    named = {name for name in made if f"create_{name}" in OPERATIONS}
    others = {"user", "role", "api_key", "event_type", "inbound_webhook", "erasure", "replay"}
    assert named - others == set(EXAMPLES)


@KINDS
def test_it_is_made_shown_changed_and_deleted_and_each_is_audited(management_base: ManagementBase, kind: str) -> None:
    base, example = management_base, EXAMPLES[kind]
    made = make_entity(base, kind)
    assert base.call("GET", one(kind, made)).json() == made
    unchanged = base.call("PATCH", one(kind, made), json={})
    assert (unchanged.status_code, unchanged.json()) == (200, made)
    patch = example.patch_of(made)
    changed = base.call("PATCH", one(kind, made), json=patch)
    assert changed.status_code == 200, changed.text
    assert changed.json() == {**made, **changed.json(), **{name: changed.json()[name] for name in patch}}
    assert {name: changed.json()[name] for name in patch} == patch
    assert base.call("PATCH", one(kind, made), json=patch).json() == changed.json()
    deleted = base.call("DELETE", one(kind, made))
    assert deleted.status_code == 204, deleted.text
    assert base.call("GET", one(kind, made)).status_code == 404
    entries = base.rows("SELECT action FROM audit_entries WHERE resource_id = %s ORDER BY id", (made["id"],))
    assert [entry["action"] for entry in entries] == [f"{kind}.created", f"{kind}.updated", f"{kind}.deleted"]


@KINDS
def test_what_changes_it_is_told_in_events_that_keep_to_their_schemas(
    management_base: ManagementBase, kind: str
) -> None:
    base = management_base
    made = make_entity(base, kind)
    assert base.call("PATCH", one(kind, made), json=EXAMPLES[kind].patch_of(made)).status_code == 200
    events = [
        row["payload"]
        for row in base.rows("SELECT payload FROM outbox WHERE entity_id = %s ORDER BY position", (made["id"],))
    ]
    check_events(events)
    rules = ENTITY_EVENTS.get(kind)
    assert bool(events) == (rules is not None), events
    for event in events:
        assert event["actor"]["type"] == "api_key"
        assert event["hops"] == 1
        assert event["causation_id"]


@KINDS
def test_lists_are_newest_first_and_have_pages(management_base: ManagementBase, kind: str) -> None:
    base, path, time = management_base, EXAMPLES[kind].path, EXAMPLES[kind].time
    first, second = make_entity(base, kind), make_entity(base, kind)
    listed = base.call("GET", path, params={"per_page": 1}).json()
    assert listed["data"] == [second]
    assert listed["meta"]["total"] >= 2
    assert base.call("GET", path, params={"per_page": 1, "page": 2}).json()["data"] == [first]
    later = {"since": second[time], "until": "2100-01-01T00:00:00Z"}
    assert second["id"] in [row["id"] for row in base.call("GET", path, params=later).json()["data"]]
    assert base.call("GET", path, params={"until": "2001-01-01T00:00:00Z"}).json()["meta"]["total"] == 0


@TAKEN
def test_what_is_taken_is_a_conflict_that_names_the_member(management_base: ManagementBase, kind: str) -> None:
    base, example = management_base, EXAMPLES[kind]
    member = str(example.taken)
    made = make_entity(base, kind)
    again = {name: made[name] for name in example.parents}
    in_other_case = {member: made[member].swapcase()}
    refused = base.call("POST", example.path, json=body_of(base, kind, **again, **in_other_case))
    assert (refused.status_code, details(refused)) == (409, {member})
    other = make_entity(base, kind, **again)
    refused = base.call("PATCH", one(kind, other), json=in_other_case)
    assert (refused.status_code, details(refused)) == (409, {member})


@KINDS
def test_what_it_names_must_be_there_and_the_tenants_own(management_base: ManagementBase, kind: str) -> None:
    base, example = management_base, EXAMPLES[kind]
    for member, parent in example.parents.items():
        foreign = make_entity(base, parent, base.other_tenant)["id"]
        for wrong in (str(uuid4()), foreign):
            named: dict[str, Any] = {member: wrong}
            refused = base.call("POST", example.path, json=body_of(base, kind, **named))
            assert (refused.status_code, details(refused)) == (400, {member}), refused.text


def test_unknown_members_and_names_that_are_none_are_refused_by_name(management_base: ManagementBase) -> None:
    body = body_of(management_base, "board")
    refused = management_base.call("POST", "/boards", json=body | {"colour": "red"})
    assert (refused.status_code, details(refused)) == (400, {"colour"})
    for text in ("", "   ", "x" * 256):
        refused = management_base.call("POST", "/boards", json=body | {"name": text})
        assert (refused.status_code, details(refused)) == (400, {"name"}), text


def test_of_boards_one_at_most_is_the_default(management_base: ManagementBase) -> None:
    base = management_base
    first = make_entity(base, "board", is_default=True)
    second = make_entity(base, "board", is_default=True)
    assert base.call("GET", one("board", first)).json()["is_default"] is False
    assert base.call("PATCH", one("board", first), json={"is_default": True}).json()["is_default"] is True
    assert base.call("GET", one("board", second)).json()["is_default"] is False
    refused = base.call("PATCH", one("board", first), json={"is_active": False})
    assert (refused.status_code, details(refused)) == (400, {"is_default"})
