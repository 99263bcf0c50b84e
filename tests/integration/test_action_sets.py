"""Sets of entities: as if one command ran after the other, in a fixed number of statements, whoever else writes."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest

from hookline.embedded.postgres import PostgresServer
from infra.actions.core.coercion import compile_coercer
from infra.actions.registry import ActionRegistry, RegisteredAction
from infra.clock import now_us
from schemas.actions import ActionDefinition, ActionResult, Transaction
from sinks.actions.clients import SET_CLIENT_ACTIVE, UPSERT_CLIENT
from sinks.actions.contacts import UPSERT_CONTACT
from sinks.actions.execution import Outcome
from sinks.actions.tags import ADD_TAG
from tests.support.actions import ActionBase, add, refusal_of, request_of, row_of, take_events
from tests.support.stack import new_database
from tests.support.statements import statements_of

WEBHOOKS = [UUID(int=number << 96) for number in (1, 2, 3)]
TABLES = ("clients", "external_entity_mappings", "applied_commands")
LINK = {"on_duplicate": "link"}


@pytest.fixture
def base(action_base: ActionBase) -> ActionBase:
    take_events(action_base)
    return with_webhooks(action_base)


@pytest.fixture
def bases(postgres: PostgresServer) -> Iterator[tuple[ActionBase, ActionBase]]:
    """Two that nothing was done on."""
    with new_database(postgres.dsn) as first, new_database(postgres.dsn) as second:
        yield with_webhooks(ActionBase.prepare(first)), with_webhooks(ActionBase.prepare(second))


def with_webhooks(base: ActionBase) -> ActionBase:
    for webhook_id in WEBHOOKS:
        base.register(webhook_id)
    return base


def client(
    base: ActionBase, external_id: str, fields: Mapping[str, Any] | None = None, **members: Any
) -> dict[str, Any]:
    named = {"external_id": external_id, "client_name": external_id}
    return request_of(base, UPSERT_CLIENT.name, named | dict(fields or {}), **members)


def through(webhook: int) -> dict[str, Any]:
    return {"webhook_id": str(WEBHOOKS[webhook])}


def clients_of(base: ActionBase, outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.body["entity_id"] for outcome in outcomes]


def sets_of(
    base: ActionBase, prefix: str, count: int, city: str
) -> Iterator[tuple[ActionDefinition, list[dict[str, Any]]]]:
    """A set of each action, of so many commands; its clients, their contacts, tags on them."""
    ids = [f"{prefix}{number}" for number in range(count)]
    yield UPSERT_CLIENT, [client(base, i, {"city": city}, options=LINK) for i in ids]
    yield (
        SET_CLIENT_ACTIVE,
        [request_of(base, SET_CLIENT_ACTIVE.name, {"external_id": i, "active": city != "Bonn"}) for i in ids],
    )
    contact = {"full_name": city, "client_external_id": f"{prefix}0"}
    yield UPSERT_CLIENT, [client(base, i, {"is_inactive": False}) for i in ids]
    yield (
        UPSERT_CONTACT,
        [
            request_of(base, UPSERT_CONTACT.name, {"external_id": i, "email": f"{i}@acme.example"} | contact)
            for i in ids
        ],
    )
    yield (
        ADD_TAG,
        [
            request_of(base, ADD_TAG.name, {"entity_type": "client", "external_id": i, "tag_text": f"{city} {i}"})
            for i in ids
        ],
    )


def test_a_hundred_commands_take_as_many_statements_as_two(base: ActionBase) -> None:
    for city in ("Bonn", "Köln"):
        for few, many in zip(sets_of(base, "few-", 2, city), sets_of(base, "many-", 100, city), strict=True):
            of_few, of_many = statements_of(base, *few), statements_of(base, *many)
            assert of_few == of_many
            assert len(of_many) <= 8


def test_two_commands_of_a_set_on_one_entity_are_decided_one_after_the_other(base: ActionBase) -> None:
    first, second, third = base.run(
        client(base, "a", {"client_name": "Shared", "city": "Bonn"}),
        client(base, "b", {"client_name": "SHARED", "city": "Köln"}, options=LINK, **through(0)),
        client(base, "c", {"client_name": "shared", "phone_no": "1"}, **through(1)),
    )
    assert (first.body["created"], second.body["created"]) == (True, False)
    assert second.body["entity_id"] == first.body["entity_id"]
    assert refusal_of(third) == ("CONFLICT", "field_mapping.client_name")
    assert row_of(base, "clients", first)["city"] == "Köln"
    assert [(event["type"], sorted(event["changes"])) for event in take_events(base)] == [
        ("client.created", []),
        ("client.updated", ["city", "name"]),
    ]


def test_a_name_that_an_earlier_command_of_the_set_gave_up_is_free(base: ActionBase) -> None:
    base.run(client(base, "free-a", {"client_name": "First"}), client(base, "free-b", {"client_name": "Second"}))
    outcomes = base.run(
        client(base, "free-a", {"client_name": "Elsewhere"}),
        client(base, "free-b", {"client_name": "FIRST"}),
        client(base, "free-c", {"client_name": "Second"}),
        client(base, "free-d", {"client_name": "elsewhere"}),
    )
    assert [outcome.status for outcome in outcomes] == ["dispatched"] * 3 + ["failed"]
    assert [row_of(base, "clients", outcome)["name"] for outcome in outcomes[:3]] == ["Elsewhere", "FIRST", "Second"]


def test_a_bad_neighbour_fails_alone(base: ActionBase) -> None:
    wrong: list[dict[str, Any]] = [{"email": "bad"}, {"client_name": "Acme Ltd"}, {"properties": 1}, {"colour": "red"}]
    outcomes = base.run(
        *(client(base, f"bad-{number}", wrong[number // 2] if number % 2 else {"city": "Bonn"}) for number in range(8))
    )
    assert [outcome.status == "dispatched" for outcome in outcomes] == [True, False] * 4
    assert {row_of(base, "clients", outcome)["city"] for outcome in outcomes[::2]} == {"Bonn"}
    assert len(take_events(base)) == 4
    mapped = base.rows("SELECT external_id FROM external_entity_mappings WHERE starts_with(external_id, 'bad-')")
    assert {row["external_id"] for row in mapped} == {f"bad-{number}" for number in range(0, 8, 2)}


def random_request(base: ActionBase, randomness: random.Random, webhook: int, external_id: str) -> dict[str, Any]:
    """An upsert that may mean what another one means: few ids and names."""
    fields: dict[str, Any] = {"city": randomness.choice(["Bonn", "Köln", None])}
    fields["client_name"] = randomness.choice([..., "One", "ONE", "Two", "Three", "Four", None])
    options = {"on_duplicate": randomness.choice(["fail", "link"])}
    return client(base, external_id, fields, options=options, **through(webhook))


def test_a_batch_leaves_what_its_commands_leave_one_after_the_other(bases: tuple[ActionBase, ActionBase]) -> None:
    base, other_base = bases
    randomness = random.Random(6)
    kinds: set[tuple[Any, ...]] = set()
    for _ in range(8):
        ids = [(webhook, external_id) for webhook in range(3) for external_id in ("1", "2", "3")]
        randomness.shuffle(ids)
        requests = [random_request(base, randomness, *each) for each in ids]
        at_us = now_us()
        together = base.run(*requests, at_us=at_us)
        apart = [other_base.run(request, at_us=at_us)[0] for request in requests]
        assert [outcome.body for outcome in together] == [outcome.body for outcome in apart]
        kinds |= {tuple(o.body.get(name) for name in ("created", "changed", "code")) for o in together}
    made, changed, stayed = ((True, True, None), (False, True, None), (False, False, None))
    assert kinds >= {made, changed, stayed, (None, None, "CONFLICT"), (None, None, "VALIDATION_ERROR")}
    for table in TABLES:
        assert stored(base, table) == stored(other_base, table)
    events = [sorted(take_events(each), key=lambda event: str(event["event_id"])) for each in (base, other_base)]
    assert events[0] == events[1]


def stored(base: ActionBase, table: str) -> list[dict[str, Any]]:
    """Every row of a table in a fixed order, but for the demo's own; how often it was tried is no matter."""
    rows = base.rows(f"SELECT * FROM {table}")  # noqa: S608  # a test's constant
    made = ({name: value for name, value in row.items() if name != "attempts"} for row in rows)
    return sorted((row for row in made if row.get("name") != "Acme Ltd"), key=str)


def test_two_sinks_that_upsert_the_same_unmapped_ids_at_once_make_one_entity_each(base: ActionBase) -> None:
    ids, before = [f"at-once-{number}" for number in range(50)], base.count("clients")
    batches = [[client(base, i, {"city": city}) for i in order] for city, order in (("Bonn", ids), ("Köln", ids[::-1]))]
    at_once = Barrier(2)

    def run(batch: list[dict[str, Any]]) -> list[Outcome]:
        at_once.wait()
        return base.run(*batch)

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(run, batches)
    assert {outcome.status for outcome in (*first, *second)} == {"dispatched"}, (first, second)
    assert clients_of(base, first) == clients_of(base, second)[::-1]
    assert sum(outcome.body["created"] for outcome in (*first, *second)) == 50
    assert base.count("clients") == before + 50
    assert [event["type"] for event in take_events(base)].count("client.created") == 50


@dataclass(slots=True)
class Interrupted:
    """A transaction in which others get a word once, after so many statements."""

    inner: Transaction
    statements_before: int
    meanwhile: Callable[[], object]

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        found = self.inner.rows(sql, parameters)
        self.statements_before -= 1
        if self.statements_before == 0:
            self.meanwhile()
        return found

    def execute(self, sql: str, parameters: Mapping[str, Any]) -> int:
        return self.inner.execute(sql, parameters)


def run_interrupted(
    base: ActionBase, request: dict[str, Any], statements_before: int, meanwhile: Callable[[], object]
) -> tuple[Outcome, int]:
    """The outcome of an upsert of a client in which others wrote, and how often it was run."""
    runs: list[int] = []

    def handle(context: Any, values: Mapping[str, Any]) -> ActionResult:
        if not runs:
            context.tx = Interrupted(context.tx, statements_before, meanwhile)
        runs.append(1)
        return UPSERT_CLIENT.handle(context, values)

    definition = replace(UPSERT_CLIENT, handle=handle)
    registry = ActionRegistry([RegisteredAction(definition, "test", compile_coercer(definition))])
    (outcome,) = base.run(request, registry=registry)
    return outcome, len(runs)


@pytest.mark.parametrize("options", [{}, LINK])
def test_an_entity_that_another_sink_mapped_meanwhile_is_found(base: ActionBase, options: dict[str, str]) -> None:
    runs, before = [], base.count("clients")
    for statements_before in (1, 2, 3):  # who has the name; mappings; the namespace
        external_id = f"meanwhile-{statements_before}-{len(options)}"
        upsert = client(base, external_id, {"city": "Köln"}, options=options)
        other = client(base, external_id, {"city": "Bonn"}, options=options)
        outcome, count = run_interrupted(base, upsert, statements_before, lambda other=other: base.run(other))  # type: ignore[misc]
        assert (outcome.status, outcome.body.get("created")) == ("dispatched", False), outcome.body
        assert row_of(base, "clients", outcome)["city"] == "Köln"
        runs.append(count)
    assert runs == [1, 2, 2]
    assert base.count("clients") == before + 3


def test_an_entity_that_another_sink_linked_to_the_same_id_meanwhile_is_found(base: ActionBase) -> None:
    for statements_before in (1, 2, 3):  # who has the name; mappings; which ids that one has
        external_id = f"linked-{statements_before}"
        there = add(base, "clients", name=external_id)
        link = client(base, external_id, options=LINK)
        other = client(base, external_id, options=LINK)
        outcome, _ = run_interrupted(base, link, statements_before, lambda other=other: base.run(other))  # type: ignore[misc]
        assert (outcome.body.get("entity_id"), outcome.body.get("changed")) == (str(there), False), outcome.body


def test_a_client_that_was_renamed_before_its_lock_is_not_linked(base: ActionBase) -> None:
    renamed = add(base, "clients", name="Renamed")

    def rename() -> None:
        base.write("UPDATE clients SET name = 'Other' WHERE id = %s", [renamed])

    outcome, runs = run_interrupted(base, client(base, "r", {"client_name": "Renamed"}, options=LINK), 1, rename)
    assert (outcome.body["created"], runs) == (True, 2)


def test_a_name_that_was_taken_before_the_write_is_a_conflict(base: ActionBase) -> None:
    upsert = client(base, "t", {"client_name": "Taken"})
    outcome, runs = run_interrupted(base, upsert, 2, lambda: add(base, "clients", name="taken"))
    assert (refusal_of(outcome), runs) == (("CONFLICT", "field_mapping.client_name"), 2)


def test_who_makes_something_of_a_client_need_not_wait_for_its_update(base: ActionBase) -> None:
    base.run(client(base, "busy"))
    outcome, _ = run_interrupted(
        base, client(base, "busy", {"city": "Bonn"}), 3, lambda: base.run(base.request({"client_id": "busy"}))
    )
    assert outcome.body["changed"]
    assert len(base.rows("SELECT 1 AS one FROM tickets")) == 1


def test_a_set_in_which_an_entity_is_gone_misses_it_alone(base: ActionBase) -> None:
    base.write(
        "INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id) "
        "VALUES (%s, %s, %s, 'client', 'gone', %s)",
        [base.tenant.tenant_id, uuid4(), base.webhook_id, uuid4()],
    )
    gone, there = base.run(client(base, "gone"), client(base, "there"))
    assert refusal_of(gone) == ("LOOKUP_MISS", "field_mapping.external_id")
    assert there.body["created"]
