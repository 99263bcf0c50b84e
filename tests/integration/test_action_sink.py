"""The action sink on a real Kafka and a real Postgres: outcomes, releases, dead letters, crashes and outages."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from hookline.embedded.kafka import KafkaBroker
from hookline.embedded.postgres import PostgresServer, start_postgres
from infra import metrics
from infra.actions.core.coercion import compile_coercer
from infra.actions.registry import ActionRegistry, RegisteredAction
from infra.migrations import migrate
from infra.settings import Settings
from infra.topics import ACTION_DEAD_LETTERS, ACTIONS, RECORDED, RELEASED
from schemas.headers import DEAD_LETTER
from schemas.records import DeadLetter, DeliveryRecord, KeyReleased
from sinks.actions.role import ActionsRole
from sinks.actions.tickets import CREATE_TICKET
from tests.support.action_stage import WAIT_SECONDS, Stage, broker, open_stage, stage
from tests.support.actions import TRACE_HEADERS, TRACE_ID, builtin_registry
from tests.support.wait import eventually

pytestmark = pytest.mark.proof

FIXTURES = (broker, stage)


def test_requests_become_tickets_and_outcomes_with_their_trace(stage: Stage) -> None:
    requests = [stage.base.request({"external_id": f"T-{number}"}) for number in range(250)]
    replayed = [stage.base.request(replay_id=str(uuid4())), stage.base.request(is_test=True)]
    before, releases, measured = stage.committed(), stage.end_of(RELEASED), _measured("normal")
    stage.send(*requests)
    with stage.role() as role:
        outcomes = stage.outcomes(250)
        eventually(lambda: stage.committed() == before + 250, timeout_seconds=WAIT_SECONDS, what="all committed")
        eventually(lambda: role.health().lag_records == 0, timeout_seconds=WAIT_SECONDS, what="no lag")
        assert role.health().ready
        assert role.health().last_commit_at_us is not None
        stage.send(*replayed)
        stage.outcomes(252)
    assert _measured("normal") == measured + 250, "once each, and neither a replay nor a test"
    assert set(outcomes) == {request["delivery_id"] for request in requests}
    assert all(len(records) == 1 for records in outcomes.values())
    (record,) = outcomes[requests[0]["delivery_id"]]
    assert (record.stage, record.dispatch_status, record.trace_id) == ("actions", "dispatched", TRACE_ID)
    assert record.handler_outcome is not None
    assert record.handler_outcome["created"]
    message = stage.produced(RECORDED, 250)[0]
    assert message.key() == (orjson.loads(message.value() or b"")["delivery_id"]).encode()
    assert message.headers() == TRACE_HEADERS
    assert stage.base.count("tickets") == 252
    assert stage.end_of(RELEASED) == releases


def _measured(priority: str) -> float:
    """Outcomes of a priority whose time was measured."""
    return metrics.REGISTRY.get_sample_value("hookline_outcome_seconds_count", {"priority": priority}) or 0.0


def test_a_failure_releases_its_key_in_the_requests_partition(stage: Stage) -> None:
    key = uuid4().hex
    origin = {"topic": "webhooks.request.received.v1", "partition": 3, "offset": 7, "incarnation": "i"}
    failing = stage.base.request({"title": None}, release_key=key, origin=origin)
    keyless = stage.base.request({"title": None}, release_key=None)
    stage.send(failing, keyless)
    with stage.role():
        outcomes = stage.outcomes(2)
        (release,) = stage.produced(RELEASED, 1)
    (record,) = outcomes[failing["delivery_id"]]
    assert record.dispatch_status == "failed"
    assert record.error is not None
    assert (record.error.code, record.error.path) == ("VALIDATION_ERROR", "field_mapping.title")
    assert (release.key(), release.partition()) == (bytes.fromhex(key), 3)
    released = KeyReleased.model_validate_json(release.value() or b"")
    assert (released.delivery_id, released.reason) == (failing["delivery_id"], "VALIDATION_ERROR")


def test_malformed_records_and_unknown_exceptions_become_dead_letters(stage: Stage) -> None:
    def explode(*_: Any) -> Any:
        raise ZeroDivisionError

    definition = CREATE_TICKET.__class__(
        name="ringBell",
        entity_type="bell",
        display_name="Ring",
        description="Ring",
        target_fields=CREATE_TICKET.target_fields,
        handle=explode,
    )
    builtin = builtin_registry()["createTicket"]
    registry = ActionRegistry([builtin, RegisteredAction(definition, "test", compile_coercer(definition))])
    exploding, good = stage.base.request(action="ringBell"), stage.base.request()
    stage.send(b"{not json", exploding, good)
    with stage.role(registry):
        outcomes = stage.outcomes(2)
        letters = stage.produced(ACTION_DEAD_LETTERS, 2)
        stage.produced(RELEASED, 1)
    by_value = {message.value(): dict(message.headers() or []) for message in letters}
    malformed = DeadLetter.model_validate_json(by_value[b"{not json"][DEAD_LETTER] or b"")
    assert (malformed.stage, malformed.code, malformed.origin.topic) == ("actions", "INTERNAL", ACTIONS)
    assert "Invalid JSON" in malformed.message
    assert malformed.origin.incarnation
    headers = by_value[orjson.dumps(exploding)]
    assert headers["traceparent"] == TRACE_HEADERS[0][1]
    assert "ZeroDivisionError" in DeadLetter.model_validate_json(headers[DEAD_LETTER] or b"").message
    (record,) = outcomes[exploding["delivery_id"]]
    assert record.error is not None
    assert record.error.code == "INTERNAL"
    assert outcomes[good["delivery_id"]][0].dispatch_status == "dispatched"


def test_a_record_delivered_twice_has_one_effect_and_the_same_outcome(stage: Stage) -> None:
    request = stage.base.request()
    stage.send(request, request)
    with stage.role():
        messages = stage.produced(RECORDED, 2)
    first, second = (DeliveryRecord.model_validate_json(message.value() or b"") for message in messages)
    assert first.handler_outcome == second.handler_outcome
    assert stage.base.count("tickets") == stage.base.count("outbox") == 1


def test_killed_at_any_point_every_command_has_one_effect_and_an_outcome(stage: Stage) -> None:
    count = 1_500
    requests = [stage.base.request({"external_id": f"T-{number}"}) for number in range(count)]
    failing = [stage.base.request({"title": None}) for _ in range(50)]
    before = stage.committed()
    stage.send(*requests, *failing)
    for goal in (1, 500, 1_000):
        with stage.process() as process:
            eventually(lambda: stage.base.count("tickets") >= goal, timeout_seconds=WAIT_SECONDS, what=f"{goal}")  # noqa: B023
            process.kill()
    with stage.process():
        outcomes = stage.outcomes(count + 50)
        total = before + count + 50
        eventually(lambda: stage.committed() == total, timeout_seconds=WAIT_SECONDS, what="all committed")
    assert stage.base.count("tickets") == stage.base.count("external_entity_mappings") == count
    assert stage.base.count("outbox") == count
    assert stage.base.count("applied_commands") == count + 50
    for records in outcomes.values():
        assert len({orjson.dumps([r.dispatch_status, r.handler_outcome]) for r in records}) == 1
    released = {orjson.loads(message.value() or b"")["delivery_id"] for message in stage.produced(RELEASED, 50)}
    assert released == {request["delivery_id"] for request in failing}


def test_killed_between_database_and_offset_the_stored_outcome_is_produced_again(stage: Stage) -> None:
    request = stage.base.request()
    (applied,) = stage.base.run(request)  # as a sink that died before it produced or committed
    before = stage.committed()
    stage.send(request)
    with stage.role():
        outcomes = stage.outcomes(1)
        eventually(lambda: stage.committed() == before + 1, timeout_seconds=WAIT_SECONDS, what="committed")
    assert outcomes[request["delivery_id"]][0].handler_outcome == applied.body
    assert stage.base.count("tickets") == 1


def test_an_idle_sink_says_that_its_database_is_not_migrated_and_goes_on_when_it_is(
    broker: KafkaBroker, database_dsn: str
) -> None:
    settings = Settings.model_validate(
        {
            "kafka": {"bootstrap": broker.bootstrap},
            "postgres": {"dsn": database_dsn},
            "actions": {"group_id": f"idle-{uuid4().hex}", "session_timeout_seconds": 6},
        }
    )
    role = ActionsRole(settings, builtin_registry())
    role.start()
    try:
        eventually(
            lambda: any(reason.startswith("postgres:") for reason in role.health().reasons),
            timeout_seconds=WAIT_SECONDS,
            what="a reason that names Postgres",
        )
        migrate(database_dsn)
        eventually(lambda: role.health().ready, timeout_seconds=WAIT_SECONDS, what="ready once migrated")
    finally:
        role.stop(20)


def test_postgres_stopped_in_the_middle_loses_nothing_and_health_says_so(
    broker: KafkaBroker, stack_folder: Path
) -> None:
    server = start_postgres(stack_folder / "postgres-of-actions")
    try:
        with open_stage(broker.bootstrap, server.dsn) as stage, stage.role() as role:
            server = _survive_outage(stage, role, server)
    finally:
        server.stop()


def _survive_outage(stage: Stage, role: ActionsRole, server: PostgresServer) -> PostgresServer:
    requests = [stage.base.request({"external_id": f"T-{number}"}) for number in range(600)]
    stage.send(*requests[:300])
    eventually(lambda: stage.base.count("tickets") >= 100, timeout_seconds=WAIT_SECONDS, what="a start")
    server.stop()
    stage.send(*requests[300:])
    eventually(
        lambda: any(reason.startswith("postgres:") for reason in role.health().reasons),
        timeout_seconds=WAIT_SECONDS,
        what="health that names Postgres",
    )
    assert not role.health().ready
    again = start_postgres(server.data_dir, port=server.port)
    outcomes = stage.outcomes(600)
    assert Counter(records[0].dispatch_status for records in outcomes.values()) == {"dispatched": 600}
    eventually(lambda: role.health().ready, timeout_seconds=WAIT_SECONDS, what="ready again")
    assert stage.base.count("tickets") == stage.base.count("outbox") == 600
    return again
