"""upsertClientByExternalId and setClientActiveByExternalId: fields, names, ids, and what is told of them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from sinks.actions.execution import Outcome
from tests.support.actions import ActionBase, add, add_mapping, add_tenant, refusal_of, request_of, row_of, take_events

UPSERT, SET_ACTIVE = "upsertClientByExternalId", "setClientActiveByExternalId"
INVALID, MISS, CONFLICT = "VALIDATION_ERROR", "LOOKUP_MISS", "CONFLICT"
FULL: dict[str, Any] = {
    "client_name": "Globex Ltd",
    "client_type": "individual",
    "url": "https://globex.example",
    "phone_no": "+49 30 1",
    "email": "office@globex.example",
    "address": "Main Street 1",
    "address_2": "c/o Reception",
    "city": "Berlin",
    "state": "BE",
    "zip": "10115",
    "country": "Germany",
    "default_currency_code": "eur",
    "notes": "Pays late\nbut pays",
    "is_inactive": True,
    "properties": {"a": {"b": 1}, "gone": None},
}
LINK = {"on_duplicate": "link"}


@pytest.fixture
def base(action_base: ActionBase) -> ActionBase:
    take_events(action_base)
    return action_base


def upsert(base: ActionBase, external_id: str, fields: Mapping[str, Any] | None = None, **members: Any) -> Outcome:
    (outcome,) = base.run(request_of(base, UPSERT, {"external_id": external_id} | dict(fields or {}), **members))
    return outcome


def client_of(base: ActionBase, outcome: Outcome) -> dict[str, Any]:
    return row_of(base, "clients", outcome)


def told(base: ActionBase) -> list[tuple[str, dict[str, Any]]]:
    return [(event["type"], event["changes"]) for event in take_events(base)]


def test_a_new_client_has_what_is_mapped_and_defaults_for_the_rest(base: ActionBase) -> None:
    plain, full = upsert(base, "plain", {"client_name": " Plain "}), upsert(base, "full", FULL)
    assert (plain.body["created"], plain.body["changed"], plain.body["external_id"]) == (True, True, "plain")
    row, optional = client_of(base, plain), FULL.keys() - {"client_name", "client_type", "is_inactive", "properties"}
    assert (row["name"], row["client_type"], row["is_inactive"], row["properties"]) == ("Plain", "company", False, {})
    assert {name: row[name] for name in optional} == dict.fromkeys(optional)
    columns = {name: value for name, value in FULL.items() if name != "client_name"}
    columns |= {"name": "Globex Ltd", "default_currency_code": "EUR", "properties": {"a": {"b": 1}}}
    row = client_of(base, full)
    assert {name: row[name] for name in columns} == columns
    events = take_events(base)
    assert [(event["type"], event["entity_id"]) for event in events] == [
        ("client.created", plain.body["entity_id"]),
        ("client.created", full.body["entity_id"]),
    ]
    assert (events[1]["data"]["name"], events[1]["data"]["properties"]) == ("Globex Ltd", {"a": {"b": 1}})


def test_what_is_not_mapped_stays_and_null_clears_or_gives_the_default(base: ActionBase) -> None:
    upsert(base, "stays", FULL | {"client_name": "Stays"})
    take_events(base)
    changed = upsert(base, "stays", {"phone_no": "+49 30 2"})
    before = FULL | {
        "name": "Stays",
        "phone_no": "+49 30 2",
        "default_currency_code": "EUR",
        "properties": {"a": {"b": 1}},
    }
    del before["client_name"]
    row = client_of(base, changed)
    assert {name: row[name] for name in before} == before
    assert changed.body["metadata"]["updated_fields"] == ["phone_no"]
    assert told(base) == [("client.updated", {"phone_no": {"previous": "+49 30 1", "new": "+49 30 2"}})]
    cleared = dict.fromkeys(FULL.keys() - {"client_name"})
    row = client_of(base, upsert(base, "stays", cleared))
    defaults = {"client_type": "company", "is_inactive": False, "properties": {}}
    assert {name: row[name] for name in cleared} == cleared | defaults
    assert [name for name, _ in told(base)] == ["client.updated", "client.activated"]


def test_nothing_new_is_no_change_and_tells_nothing(base: ActionBase) -> None:
    first = upsert(base, "same", FULL | {"client_name": "Same"})
    take_events(base)
    before = client_of(base, first)
    again = upsert(base, "same", FULL | {"client_name": "Same"})
    assert (again.body["created"], again.body["changed"]) == (False, False)
    assert client_of(base, again) == before
    assert told(base) == []


def test_properties_merge_and_have_a_limit(base: ActionBase) -> None:
    upsert(base, "merges", {"client_name": "Merges", "properties": {"a": {"b": 1}, "vip": 1}})
    merged = upsert(base, "merges", {"properties": {"a": {"c": 2}}})
    assert client_of(base, merged)["properties"] == {"a": {"b": 1, "c": 2}, "vip": 1}
    assert upsert(base, "merges", {"properties": {"vip": True}}).body["changed"]  # to Python it equals 1
    assert client_of(base, merged)["properties"]["vip"] is True
    assert upsert(base, "merges", {"properties": {"x": "y" * 40_000}}).status == "dispatched"
    refused = upsert(base, "merges", {"properties": {"z": "y" * 40_000}, "phone_no": "1"})
    assert refusal_of(refused) == (INVALID, "field_mapping.properties")
    assert client_of(base, merged)["phone_no"] is None


def test_large_numbers_in_properties_keep_their_digits(base: ActionBase) -> None:
    made = upsert(base, "digits", {"client_name": "Digits", "properties": {"n": 2**63 - 1, "f": 0.1}})
    assert client_of(base, made)["properties"] == {"n": 2**63 - 1, "f": 0.1}
    assert not upsert(base, "digits", {"properties": {"f": 0.1}}).body["changed"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"client_name": ...}, "client_name"),
        ({"client_name": None}, "client_name"),
        ({"client_name": "  "}, "client_name"),
        ({"client_name": "x" * 256}, "client_name"),
        ({"external_id": None}, "external_id"),
        ({"external_id": "x" * 256}, "external_id"),
        ({"client_type": "Company"}, "client_type"),
        ({"url": "x" * 1_025}, "url"),
        ({"notes": "x" * 20_001}, "notes"),
        ({"email": "office"}, "email"),
        ({"email": "office at@globex"}, "email"),
        ({"default_currency_code": "EU"}, "default_currency_code"),
        ({"default_currency_code": "EURO"}, "default_currency_code"),
        ({"default_currency_code": "ÄÖÜ"}, "default_currency_code"),
        ({"is_inactive": 1}, "is_inactive"),
        ({"properties": [1]}, "properties"),
        ({"properties": {"a": "x" * 70_000}}, "properties"),
        ({"name": "Wrong field"}, "name"),
    ],
)
def test_a_value_that_does_not_fit_names_its_field_and_writes_nothing(
    base: ActionBase, fields: dict[str, Any], path: str
) -> None:
    before = base.count("clients")
    assert refusal_of(upsert(base, "bad", {"client_name": "Bad"} | fields)) == (INVALID, f"field_mapping.{path}")
    assert (base.count("clients"), told(base)) == (before, [])
    assert base.rows("SELECT 1 AS one FROM external_entity_mappings WHERE external_id = 'bad'") == []


def test_the_name_of_a_client_that_is_there_cannot_be_cleared(base: ActionBase) -> None:
    upsert(base, "named", {"client_name": "Named"})
    assert refusal_of(upsert(base, "named", {"client_name": None})) == (INVALID, "field_mapping.client_name")


def test_a_taken_name_is_a_conflict_that_names_the_client_or_is_linked(base: ActionBase) -> None:
    taken = add(base, "clients", name="Taken Ltd", phone_no="1")
    refused = upsert(base, "taken", {"client_name": "TAKEN ltd", "city": "Bonn"})
    assert refusal_of(refused) == (CONFLICT, "field_mapping.client_name")
    assert str(taken) in refused.body["message"]
    linked = upsert(base, "taken", {"client_name": "TAKEN ltd", "city": "Bonn"}, options=LINK)
    row = client_of(base, linked)
    assert (row["id"], row["name"], row["phone_no"], row["city"]) == (taken, "TAKEN ltd", "1", "Bonn")
    assert (linked.body["created"], linked.body["changed"]) == (False, True)
    assert [name for name, _ in told(base)] == ["client.updated"]
    assert upsert(base, "taken", {"city": "Köln"}).body["entity_id"] == str(taken)


def test_a_link_that_changes_no_value_is_a_change_without_an_event(base: ActionBase) -> None:
    add(base, "clients", name="Quiet")
    linked = upsert(base, "quiet", {"client_name": "Quiet"}, options=LINK)
    assert (linked.body["changed"], linked.body["metadata"]["updated_fields"], told(base)) == (True, [], [])
    assert not upsert(base, "quiet", {"client_name": "Quiet"}, options=LINK).body["changed"]


def test_an_inactive_client_has_its_name_and_a_link_does_not_wake_it(base: ActionBase) -> None:
    asleep = add(base, "clients", name="Asleep", is_inactive=True)
    assert refusal_of(upsert(base, "asleep", {"client_name": "Asleep"}))[0] == CONFLICT
    row = client_of(base, upsert(base, "asleep", {"client_name": "Asleep", "city": "Bonn"}, options=LINK))
    assert (row["id"], row["is_inactive"], row["city"]) == (asleep, True, "Bonn")


def test_a_second_id_for_a_client_is_a_conflict_in_the_namespace_and_none_in_another(base: ActionBase) -> None:
    first = upsert(base, "once", {"client_name": "Once"})
    refused = upsert(base, "twice", {"client_name": "once"}, options=LINK)
    assert refusal_of(refused) == (CONFLICT, "field_mapping.external_id")
    assert "'once'" in refused.body["message"]
    other = uuid4()
    base.register(other)
    linked = upsert(base, "twice", {"client_name": "once"}, options=LINK, webhook_id=str(other))
    assert linked.body["entity_id"] == first.body["entity_id"]


def test_a_client_is_not_renamed_onto_another_but_may_change_the_case_of_its_name(base: ActionBase) -> None:
    upsert(base, "left", {"client_name": "Left"})
    right = upsert(base, "right", {"client_name": "Right"})
    for options in ({}, LINK):
        refused = upsert(base, "left", {"client_name": "RIGHT"}, options=options)
        assert refusal_of(refused) == (CONFLICT, "field_mapping.client_name")
        assert right.body["entity_id"] in refused.body["message"]
    take_events(base)
    assert client_of(base, upsert(base, "left", {"client_name": "LEFT"}))["name"] == "LEFT"
    assert told(base) == [("client.updated", {"name": {"previous": "Left", "new": "LEFT"}})]


def test_names_of_other_tenants_are_free_and_their_clients_never_linked(base: ActionBase) -> None:
    foreign = add(base, "clients", tenant_id=add_tenant(base), name="Foreign Ltd")
    made = upsert(base, "foreign", {"client_name": "Foreign Ltd"}, options=LINK)
    assert made.body["created"]
    assert made.body["entity_id"] != str(foreign)


def test_one_id_may_be_a_client_and_a_ticket(base: ActionBase) -> None:
    client = upsert(base, "42", {"client_name": "Forty-two"})
    (ticket,) = base.run(base.request({"external_id": "42", "client_id": ..., "client_external_id": "42"}))
    assert row_of(base, "tickets", ticket)["client_id"] == UUID(client.body["entity_id"])
    mapped = base.rows("SELECT entity_type FROM external_entity_mappings WHERE external_id = '42' ORDER BY entity_type")
    assert [row["entity_type"] for row in mapped] == ["client", "ticket"]


def test_an_id_in_several_realms_is_refused_and_a_mapping_of_nothing_is_a_miss(base: ActionBase) -> None:
    for realm in ("r-1", "r-2"):
        add_mapping(base, "client", "realms", add(base, "clients", name=f"Of {realm}"), realm)
    refused = upsert(base, "realms", {"client_name": "Realms"})
    assert refusal_of(refused) == (INVALID, "field_mapping.external_id")
    add_mapping(base, "client", "nothing", uuid4())
    assert refusal_of(upsert(base, "nothing", {"client_name": "New"})) == (MISS, "field_mapping.external_id")


def test_the_namespace_is_that_of_the_option_and_must_be_there(base: ActionBase) -> None:
    shared = upsert(base, "shared", {"client_name": "Shared"})
    other = uuid4()
    base.register(other)
    options = {"external_ids_of": str(base.webhook_id)}
    through = upsert(base, "shared", {"city": "Bonn"}, webhook_id=str(other), options=options)
    assert through.body["entity_id"] == shared.body["entity_id"]
    nowhere = upsert(base, "n", {"client_name": "Nowhere"}, options={"external_ids_of": str(uuid4())})
    assert refusal_of(nowhere) == (MISS, "field_mapping.external_id")


def test_a_client_goes_out_of_service_once_and_comes_back_once(base: ActionBase) -> None:
    made = upsert(base, "goes", {"client_name": "Goes"})
    take_events(base)
    answers = [
        base.run(request_of(base, SET_ACTIVE, {"external_id": "goes", "active": active}))[0]
        for active in ("false", False, True, True)
    ]
    assert [answer.body["changed"] for answer in answers] == [True, False, True, False]
    assert {answer.body["entity_id"] for answer in answers} == {made.body["entity_id"]}
    assert told(base) == [
        ("client.deactivated", {"is_inactive": {"previous": False, "new": True}}),
        ("client.activated", {"is_inactive": {"previous": True, "new": False}}),
    ]
    assert client_of(base, answers[0])["is_inactive"] is False


def test_setting_active_needs_a_value_and_a_mapped_id(base: ActionBase) -> None:
    unmapped, absent, null, foreign = base.run(
        request_of(base, SET_ACTIVE, {"external_id": "unmapped", "active": False}),
        request_of(base, SET_ACTIVE, {"external_id": "unmapped"}),
        request_of(base, SET_ACTIVE, {"external_id": "unmapped", "active": None}),
        request_of(base, SET_ACTIVE, {"external_id": "unmapped", "active": False, "client_name": "x"}),
    )
    assert refusal_of(unmapped) == (MISS, "field_mapping.external_id")
    assert refusal_of(absent) == refusal_of(null) == (INVALID, "field_mapping.active")
    assert refusal_of(foreign) == (INVALID, "field_mapping.client_name")


def test_a_replay_runs_again_and_the_same_command_does_not(base: ActionBase) -> None:
    command = request_of(base, UPSERT, {"external_id": "replayed", "client_name": "Replayed", "city": "Bonn"})
    (first,), _ = base.run(command), upsert(base, "replayed", {"city": "Köln"})
    (again,) = base.run(command)
    assert (again.repeated, again.body, client_of(base, again)["city"]) == (True, first.body, "Köln")
    (replay,) = base.run(command | {"replay_id": str(uuid4())})
    assert (replay.repeated, replay.body["changed"], client_of(base, replay)["city"]) == (False, True, "Bonn")


@pytest.mark.parametrize("options", [{}, LINK])
def test_fifty_parallel_upserts_of_one_id_make_one_client(base: ActionBase, options: dict[str, str]) -> None:
    name = f"Parallel {len(options)}"
    requests = [
        request_of(base, UPSERT, {"external_id": name, "client_name": name, "city": f"{n}"}, options=options)
        for n in range(50)
    ]
    with ThreadPoolExecutor(8) as threads:
        outcomes = [outcome for batch in threads.map(base.run, requests) for outcome in batch]
    assert {outcome.status for outcome in outcomes} == {"dispatched"}, outcomes
    assert len({outcome.body["entity_id"] for outcome in outcomes}) == 1
    assert sum(outcome.body["created"] for outcome in outcomes) == 1
    assert [kind for kind, _ in told(base)].count("client.created") == 1
