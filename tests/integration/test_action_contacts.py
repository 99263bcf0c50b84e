"""upsertContactByExternalId: fields, e-mail addresses, clients, and what is told of them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from sinks.actions.execution import Outcome
from tests.support.actions import ActionBase, add, add_mapping, add_tenant, refusal_of, request_of, row_of, take_events

UPSERT = "upsertContactByExternalId"
INVALID, MISS, CONFLICT = "VALIDATION_ERROR", "LOOKUP_MISS", "CONFLICT"
LINK = {"on_duplicate": "link"}


@pytest.fixture
def base(action_base: ActionBase) -> ActionBase:
    take_events(action_base)
    return action_base


def request(base: ActionBase, external_id: str, fields: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    """Of a contact of the demo client that is called and reached by its id; a field given as ... is left out."""
    named = {"full_name": external_id, "email": f"{external_id}@acme.example", "client_id": "Acme Ltd"}
    return request_of(base, UPSERT, {"external_id": external_id} | named | dict(fields), **members)


def upsert(base: ActionBase, external_id: str, fields: Mapping[str, Any] | None = None, **members: Any) -> Outcome:
    (outcome,) = base.run(request(base, external_id, fields or {}, **members))
    return outcome


def update(base: ActionBase, external_id: str, fields: Mapping[str, Any], **members: Any) -> Outcome:
    return upsert(base, external_id, dict.fromkeys(("full_name", "email", "client_id"), ...) | dict(fields), **members)


def contact_of(base: ActionBase, outcome: Outcome) -> dict[str, Any]:
    return row_of(base, "contacts", outcome)


def told(base: ActionBase) -> list[tuple[str, dict[str, Any]]]:
    return [(event["type"], event["changes"]) for event in take_events(base)]


def test_a_new_contact_has_what_is_mapped_and_defaults_for_the_rest(base: ActionBase) -> None:
    full = {"role": "Head of IT", "phone": "+49 30 1", "notes": "Call\nafter ten", "is_inactive": True}
    plain, other = upsert(base, "plain"), upsert(base, "full", full)
    row = contact_of(base, plain)
    assert {name: row[name] for name in full} == dict.fromkeys(full) | {"is_inactive": False}
    assert (row["full_name"], row["email"], row["client_id"]) == (
        "plain",
        "plain@acme.example",
        base.tenant.ids["client"],
    )
    assert {name: contact_of(base, other)[name] for name in full} == full
    assert told(base) == [("contact.created", {}), ("contact.created", {})]


def test_what_is_not_mapped_stays_null_clears_and_nothing_new_tells_nothing(base: ActionBase) -> None:
    upsert(base, "stays", {"role": "IT", "phone": "1", "notes": "n", "is_inactive": True})
    take_events(base)
    changed = update(base, "stays", {"phone": "2"})
    row = contact_of(base, changed)
    assert (row["role"], row["phone"], row["notes"], row["is_inactive"]) == ("IT", "2", "n", True)
    assert told(base) == [("contact.updated", {"phone": {"previous": "1", "new": "2"}})]
    cleared = update(base, "stays", dict.fromkeys(("role", "phone", "notes", "is_inactive")))
    row = contact_of(base, cleared)
    assert (row["role"], row["phone"], row["notes"], row["is_inactive"]) == (None, None, None, False)
    assert [name for name, _ in told(base)] == ["contact.updated", "contact.activated"]
    assert not upsert(base, "stays").body["changed"]
    assert contact_of(base, update(base, "stays", {"is_inactive": True}))["is_inactive"]
    assert [name for name, _ in told(base)] == ["contact.deactivated"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"client_id": ...}, "client_id"),
        ({"client_id": None}, "client_id"),
        ({"client_id": ..., "client_external_id": None}, "client_external_id"),
        ({"client_id": "Nobody"}, "client_id"),
        ({"client_id": str(uuid4())}, "client_id"),
        ({"full_name": ...}, "full_name"),
        ({"full_name": " "}, "full_name"),
        ({"email": ...}, "email"),
        ({"email": None}, "email"),
        ({"email": "bad"}, "email"),
        ({"email": "@"}, "email"),
        ({"email": "a b@acme.example"}, "email"),
        ({"email": "x" * 250 + "@a.example"}, "email"),
        ({"notes": "x" * 20_001}, "notes"),
        ({"external_id": "x" * 256}, "external_id"),
        ({"is_inactive": "yes"}, "is_inactive"),
    ],
)
def test_a_value_that_does_not_fit_names_its_field_and_writes_nothing(
    base: ActionBase, fields: dict[str, Any], path: str
) -> None:
    before = base.count("contacts")
    assert refusal_of(upsert(base, "bad", fields)) == (INVALID, f"field_mapping.{path}")
    assert (base.count("contacts"), told(base)) == (before, [])


def test_what_a_contact_always_has_cannot_be_cleared(base: ActionBase) -> None:
    upsert(base, "always")
    for field in ("full_name", "email", "client_id", "client_external_id"):
        assert refusal_of(update(base, "always", {field: None})) == (INVALID, f"field_mapping.{field}")


def test_a_contact_of_an_unmapped_client_is_a_miss(base: ActionBase) -> None:
    refused = upsert(base, "unowned", {"client_id": ..., "client_external_id": "unmapped"})
    assert refusal_of(refused) == (MISS, "field_mapping.client_external_id")
    upsert(base, "unowned")
    refused = update(base, "unowned", {"client_external_id": "unmapped"})
    assert refusal_of(refused) == (MISS, "field_mapping.client_external_id")


def test_a_contact_moves_to_another_client_and_tickets_of_the_first_keep_it(base: ActionBase) -> None:
    client = add(base, "clients", name="Second")
    add_mapping(base, "client", "second", client)
    made = upsert(base, "moves")
    (ticket,) = base.run(base.request({"contact_id": "moves@acme.example"}))
    take_events(base)
    moved = update(base, "moves", {"client_external_id": "second"})
    assert contact_of(base, moved)["client_id"] == client
    change = {"previous": str(base.tenant.ids["client"]), "new": str(client)}
    assert told(base) == [("contact.updated", {"client_id": change})]
    row = row_of(base, "tickets", ticket)
    assert (row["contact_id"], row["client_id"]) == (UUID(made.body["entity_id"]), base.tenant.ids["client"])
    disagreeing = update(base, "moves", {"client_id": "Acme Ltd", "client_external_id": "second"})
    assert refusal_of(disagreeing) == (INVALID, "field_mapping.client_external_id")


def test_a_client_of_another_tenant_and_one_out_of_service_are_refused(base: ActionBase) -> None:
    foreign = add(base, "clients", tenant_id=add_tenant(base), name="Foreign Ltd")
    add(base, "clients", name="Asleep", is_inactive=True)
    by_id, by_name, asleep, unknown = (
        upsert(base, "refused", {"client_id": text}) for text in (str(foreign), "Foreign Ltd", "Asleep", "Unknown")
    )
    assert {refusal_of(one) for one in (by_id, by_name, asleep, unknown)} == {(INVALID, "field_mapping.client_id")}
    assert len({one.body["message"].split("'")[2] for one in (by_id, by_name, asleep, unknown)}) == 1


def test_a_taken_address_is_a_conflict_that_names_the_contact_or_is_linked(base: ActionBase) -> None:
    taken = base.tenant.ids["contact"]
    fields = {"email": "CARLA@acme.example", "full_name": "Carla C."}
    refused = upsert(base, "carla", fields)
    assert refusal_of(refused) == (CONFLICT, "field_mapping.email")
    assert str(taken) in refused.body["message"]
    linked = contact_of(base, upsert(base, "carla", fields, options=LINK))
    assert (linked["id"], linked["email"], linked["full_name"]) == (taken, "CARLA@acme.example", "Carla C.")
    second = upsert(base, "carla-2", fields, options=LINK)
    assert refusal_of(second) == (CONFLICT, "field_mapping.external_id")
    upsert(base, "other")
    assert refusal_of(update(base, "other", {"email": "carla@acme.example"}, options=LINK))[0] == CONFLICT


def test_an_address_of_another_tenants_contact_is_free(base: ActionBase) -> None:
    tenant_id = add_tenant(base, "addresses")
    client = add(base, "clients", tenant_id=tenant_id, name="Foreign")
    add(base, "contacts", tenant_id=tenant_id, client_id=client, full_name="F", email="free@acme.example")
    assert upsert(base, "free", options=LINK).body["created"]


def test_a_contact_and_its_client_may_have_one_id(base: ActionBase) -> None:
    add_mapping(base, "client", "42", base.tenant.ids["client"])
    made = upsert(base, "42", {"client_id": ..., "client_external_id": "42"})
    assert contact_of(base, made)["client_id"] == base.tenant.ids["client"]


def test_fifty_parallel_upserts_of_one_id_make_one_contact(base: ActionBase) -> None:
    requests = [request(base, "parallel", {"phone": str(number)}) for number in range(50)]
    with ThreadPoolExecutor(8) as threads:
        outcomes = [outcome for batch in threads.map(base.run, requests) for outcome in batch]
    assert {outcome.status for outcome in outcomes} == {"dispatched"}, outcomes
    assert len({outcome.body["entity_id"] for outcome in outcomes}) == 1
    assert sum(outcome.body["created"] for outcome in outcomes) == 1
