"""Batches of commands on a real Postgres: idempotency, one bad row among many, races, several sinks at once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from infra.actions.core.coercion import compile_coercer
from infra.actions.registry import ActionRegistry, RegisteredAction
from infra.entities.references import ENTITY_QUERIES
from schemas.actions import Command
from schemas.records import ErrorCode
from sinks.actions.tickets import CREATE_TICKET
from tests.support.actions import ActionBase, add, builtin_registry, refusal_of
from tests.support.interruptions import interrupted


@pytest.fixture
def base(migrated_dsn: str) -> ActionBase:
    return ActionBase.prepare(migrated_dsn)


def test_the_same_command_again_returns_the_stored_outcome_and_a_replay_runs(base: ActionBase) -> None:
    good, bad = base.request(), base.request({"title": None})
    first = base.run(good, bad, good)
    assert first[0].body == first[2].body
    assert [outcome.repeated for outcome in first] == [False, False, True]
    again = base.run(good, bad)
    assert [outcome.body for outcome in again] == [outcome.body for outcome in first[:2]]
    assert all(outcome.repeated for outcome in again)
    assert base.count("tickets") == base.count("outbox") == 1
    origin = {"replay_id": str(uuid4()), "replayed_from": good["delivery_id"]}
    (replayed,) = base.run(good | origin)
    assert not replayed.repeated
    assert base.count("tickets") == 2
    told = [row["payload"]["replayed_from"] for row in base.rows("SELECT payload FROM outbox ORDER BY position")]
    assert told == [None, good["delivery_id"]]


def test_what_validation_warned_of_stands_in_the_outcome_also_when_it_is_repeated(base: ActionBase) -> None:
    request = base.request(warnings=['rmm.alert version 2: /id: the value is not of type "string"'])
    [warned], [again] = base.run(request), base.run(request)
    assert warned.body["metadata"]["warnings"] == request["warnings"]
    assert again.body == warned.body
    [quiet] = base.run(base.request())
    assert "warnings" not in quiet.body["metadata"]


def test_one_bad_row_among_500_fails_alone(base: ActionBase) -> None:
    requests = [base.request({"external_id": f"T-{number}"}) for number in range(500)]
    poisoned = requests[317]["delivery_id"]
    base.write("ALTER TABLE tickets ADD CONSTRAINT poison CHECK (delivery_id <> '" + poisoned + "')")
    outcomes = base.run(*requests)
    failed = [position for position, outcome in enumerate(outcomes) if outcome.status == "failed"]
    assert failed == [317]
    assert outcomes[317].is_internal
    assert "poison" in outcomes[317].body["message"]
    assert base.count("tickets") == base.count("outbox") == base.count("external_entity_mappings") == 499
    assert base.count("applied_commands") == 500


def failing_registry(error: Exception) -> ActionRegistry:
    def create_many(commands: Any) -> Any:
        if any(values["title"] == "boom" for _, values in commands):
            raise error
        assert CREATE_TICKET.handle_many is not None
        return CREATE_TICKET.handle_many(commands)

    def create(*command: Any) -> Any:
        if command[1]["title"] == "boom":
            raise error
        return CREATE_TICKET.handle(*command)

    definition = replace(CREATE_TICKET, handle=create, handle_many=create_many)
    return ActionRegistry([RegisteredAction(definition, "test", compile_coercer(definition))])


@pytest.mark.parametrize(
    ("error", "code", "attempts"),
    [
        (ZeroDivisionError("secret"), ErrorCode.INTERNAL, 1),
        (psycopg.errors.DeadlockDetected("x"), ErrorCode.INTERNAL, 6),  # three times with its batch, three times alone
        (psycopg.errors.SerializationFailure("x"), ErrorCode.INTERNAL, 6),
        (psycopg.errors.QueryCanceled("x"), ErrorCode.TIMEOUT, 1),
    ],
)
def test_a_handler_that_breaks_fails_its_command_only(
    base: ActionBase, error: Exception, code: ErrorCode, attempts: int
) -> None:
    requests = [base.request({"title": "boom" if number == 3 else "fine"}) for number in range(8)]
    outcomes = base.run(*requests, registry=failing_registry(error))
    assert sum(outcome.status == "dispatched" for outcome in outcomes) == 7
    assert (outcomes[3].body["code"], outcomes[3].attempts) == (code, attempts)
    assert "secret" not in outcomes[3].body["message"]
    assert base.run(requests[3])[0].repeated


def test_a_command_that_loses_a_race_runs_again_and_succeeds(base: ActionBase) -> None:
    calls: list[int] = []

    def create(context: Any, values: Any) -> Any:
        calls.append(1)
        if len(calls) < 3:
            raise psycopg.errors.DeadlockDetected("x")
        return CREATE_TICKET.handle(context, values)

    definition = replace(CREATE_TICKET, handle=create)
    registry = ActionRegistry([RegisteredAction(definition, "test", compile_coercer(definition))])
    (outcome,) = base.run(base.request(), registry=registry)
    assert (outcome.status, outcome.attempts, len(calls)) == ("dispatched", 3, 3)


def test_what_is_deleted_between_look_and_write_is_missed_and_no_fault_of_ours(base: ActionBase) -> None:
    client_id = add(base, "clients", name="Short-lived Ltd")

    def delete() -> None:
        base.write("DELETE FROM clients WHERE id = %s", [client_id])

    registry = interrupted(CREATE_TICKET, ENTITY_QUERIES["client"], delete)
    (outcome,) = base.run(base.request({"client_id": str(client_id)}), registry=registry)
    assert (*refusal_of(outcome), outcome.attempts) == ("VALIDATION_ERROR", "field_mapping.client_id", 2)


def test_a_set_that_answers_too_few_is_a_fault_of_ours(base: ActionBase) -> None:
    def create_many(_: Sequence[Command]) -> list[Any]:
        return []

    definition = replace(CREATE_TICKET, handle_many=create_many)
    registry = ActionRegistry([RegisteredAction(definition, "test", compile_coercer(definition))])
    outcomes = base.run(base.request(), base.request(), registry=registry)
    assert [outcome.status for outcome in outcomes] == ["dispatched", "dispatched"]  # each alone, through `handle`


def test_an_unknown_action_is_a_stored_failure(base: ActionBase) -> None:
    (outcome,) = base.run(base.request(action="ringBell"), registry=builtin_registry())
    assert refusal_of(outcome) == ("ACTION_UNKNOWN", None)
    assert base.count("applied_commands") == 1


def test_fifty_parallel_commands_for_one_external_id_make_one_ticket(base: ActionBase) -> None:
    requests = [base.request({"external_id": "T"}, options={"on_existing": "update"}) for _ in range(50)]
    with ThreadPoolExecutor(8) as threads:
        outcomes = [outcome for batch in threads.map(base.run, requests) for outcome in batch]
    assert {outcome.status for outcome in outcomes} == {"dispatched"}
    assert len({outcome.body["entity_id"] for outcome in outcomes}) == 1
    assert base.count("tickets") == base.count("external_entity_mappings") == 1


def test_two_sinks_with_the_same_batch_have_one_effect(base: ActionBase) -> None:
    requests = [base.request({"external_id": f"T-{number}"}) for number in range(100)]
    with ThreadPoolExecutor(2) as threads:
        forward, backward = threads.map(lambda batch: base.run(*batch), (requests, requests[::-1]))
    assert [outcome.body for outcome in forward] == [outcome.body for outcome in backward[::-1]]
    assert base.count("tickets") == base.count("outbox") == base.count("applied_commands") == 100
