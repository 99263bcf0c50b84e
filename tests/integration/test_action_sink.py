"""The action sink on a real Kafka and a real Postgres: outcomes, releases, dead letters, crashes and outages."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from hookline.embedded.kafka import KafkaBroker, start_kafka
from hookline.embedded.postgres import PostgresServer, start_postgres
from infra import metrics
from infra.actions.core.coercion import compile_coercer
from infra.actions.registry import ActionRegistry, RegisteredAction
from infra.groups import group_readers
from infra.kafka import Outbox, PolledProducer, admin_client, consumer_properties
from infra.migrations import migrate
from infra.settings import Settings
from infra.topics import ACTION_DEAD_LETTERS, ACTIONS, EXPEDITED_ACTIONS, RECORDED, RELEASED, apply_topics
from schemas.headers import DEAD_LETTER
from schemas.records import DeadLetter, DeliveryRecord, KeyReleased
from sinks.actions.role import ActionsRole
from sinks.actions.tickets import CREATE_TICKET
from tests.support.actions import TRACE_HEADERS, TRACE_ID, ActionBase, builtin_registry
from tests.support.offsets import ends_of
from tests.support.wait import eventually

WAIT_SECONDS = 60.0
OUTPUTS = (RECORDED, RELEASED, ACTION_DEAD_LETTERS)


@dataclass
class Stage:
    """A broker of this module, one test's database and group, and what was produced since the test began."""

    base: ActionBase
    settings: Settings
    producer: PolledProducer
    consumer: Consumer
    seen: list[Message] = field(default_factory=list)

    def send(self, *requests: Mapping[str, Any] | bytes, topic: str = ACTIONS) -> None:
        """Produce action records, keyed by delivery."""
        outbox = Outbox(self.producer)
        for request in requests:
            value = request if isinstance(request, bytes) else orjson.dumps(request)
            key = b"raw" if isinstance(request, bytes) else request["delivery_id"].encode()
            outbox.send(topic, key=key, value=value, headers=TRACE_HEADERS)
        outbox.wait(WAIT_SECONDS)

    def produced(self, topic: str, at_least: int) -> list[Message]:
        """What the sink wrote to `topic`, once there are `at_least` messages."""

        def enough() -> list[Message] | None:
            self.seen += [message for message in self.consumer.consume(500, 0.05) if message.error() is None]
            found = [message for message in self.seen if message.topic() == topic]
            return found if len(found) >= at_least else None

        return eventually(enough, timeout_seconds=WAIT_SECONDS, what=f"{at_least} messages in {topic}") or []

    def outcomes(self, at_least: int) -> dict[str, list[DeliveryRecord]]:
        """Outcome records by delivery id, once `at_least` deliveries have one."""

        def enough() -> dict[str, list[DeliveryRecord]] | None:
            by_delivery: dict[str, list[DeliveryRecord]] = {}
            for message in self.produced(RECORDED, 1):
                record = DeliveryRecord.model_validate_json(message.value() or b"")
                by_delivery.setdefault(record.delivery_id, []).append(record)
            return by_delivery if len(by_delivery) >= at_least else None

        return eventually(enough, timeout_seconds=WAIT_SECONDS, what=f"outcomes of {at_least} deliveries") or {}

    def end_of(self, topic: str) -> int:
        """How many records the topic has ever got. Asked elsewhere: `consumer` answers only between two fetches."""
        consumer = Consumer(consumer_properties(self.settings.kafka, "test", "none"))
        try:
            return sum(partition.offset for partition in end_offsets(consumer)[topic])
        finally:
            consumer.close()

    def committed(self) -> int:
        """How many records the group has committed since the test began."""
        properties = consumer_properties(self.settings.kafka, "test", self.settings.actions.group_id)
        consumer = Consumer(properties)
        try:
            partitions = [TopicPartition(ACTIONS, number) for number in range(4)]
            return sum(max(p.offset, 0) for p in consumer.committed(partitions, timeout=10))
        finally:
            consumer.close()

    @contextmanager
    def role(self, registry: ActionRegistry | None = None, lane: str = "all") -> Iterator[ActionsRole]:
        """A running role."""
        actions = self.settings.actions.model_copy(update={"lane": lane})
        role = ActionsRole(self.settings.model_copy(update={"actions": actions}), registry or builtin_registry())
        role.start()
        try:
            yield role
        finally:
            role.stop(20)
            assert not role.health().ready

    @contextmanager
    def process(self) -> Iterator[subprocess.Popen[bytes]]:
        """A role in a process of its own, for kill -9."""
        plain = self.settings.model_dump(mode="json", exclude={"postgres", "master_key", "clickhouse"})
        settings = json.dumps(plain | {"postgres": {"dsn": self.base.dsn}})
        command = [sys.executable, "-m", "tests.support.actions", settings]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def broker(stack_folder: Path) -> Iterator[KafkaBroker]:
    with start_kafka(stack_folder / "kafka-of-actions") as broker:
        settings = Settings.model_validate({"kafka": {"bootstrap": broker.bootstrap}})
        apply_topics(settings.kafka, admin_client(settings.kafka, "test"))
        eventually(lambda: leaders_answer(settings), timeout_seconds=WAIT_SECONDS, what="leaders of the new topics")
        yield broker


def leaders_answer(settings: Settings) -> bool:
    """Whether every new partition is served: a leader may be named before it knows of it."""
    consumer = Consumer(consumer_properties(settings.kafka, "test", "none"))
    try:
        return bool(end_offsets(consumer))
    except KafkaException:
        return False
    finally:
        consumer.close()


def end_offsets(consumer: Consumer) -> dict[str, list[TopicPartition]]:
    """The end of every partition that the sink reads or writes."""
    return ends_of(consumer, (*OUTPUTS, ACTIONS, EXPEDITED_ACTIONS))


@contextmanager
def open_stage(bootstrap: str, dsn: str) -> Iterator[Stage]:
    actions = {"group_id": f"actions-{uuid4().hex}", "session_timeout_seconds": 6, "batch_records_max": 100}
    settings = Settings.model_validate(
        {"kafka": {"bootstrap": bootstrap}, "postgres": {"dsn": dsn}, "actions": actions}
    )
    consumer = Consumer(consumer_properties(settings.kafka, "test", f"test-{uuid4().hex}"))
    starts = end_offsets(consumer)
    group = Consumer(consumer_properties(settings.kafka, "test", settings.actions.group_id))
    group.commit(
        offsets=[*starts[ACTIONS], *starts[EXPEDITED_ACTIONS]], asynchronous=False
    )  # earlier tests' records are not this one's
    group.close()
    consumer.assign([partition for topic in OUTPUTS for partition in starts[topic]])
    producer = PolledProducer(settings.kafka, client_id="test", ack_timeout_seconds=WAIT_SECONDS)
    try:
        yield Stage(ActionBase.prepare(dsn), settings, producer, consumer)
    finally:
        producer.close(5)
        consumer.close()


@pytest.fixture
def stage(broker: KafkaBroker, database_dsn: str) -> Iterator[Stage]:
    with open_stage(broker.bootstrap, database_dsn) as stage:
        yield stage


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


def test_sinks_that_join_and_leave_share_the_work_and_nothing_is_done_twice(stage: Stage) -> None:
    requests = [stage.base.request({"external_id": f"T-{number}"}) for number in range(1_200)]
    stage.send(*requests[:600])
    with stage.role() as first:
        eventually(lambda: stage.base.count("tickets") >= 100, timeout_seconds=WAIT_SECONDS, what="a start")
        with stage.role() as second:
            stage.send(*requests[600:])
            eventually(
                lambda: _shares(first, second) == [(2, 2), (2, 2)],
                timeout_seconds=WAIT_SECONDS,
                what="two partitions of each lane each",
            )
            stage.send(*(stage.base.request() for _ in range(200)))
        outcomes = stage.outcomes(1_400)
    assert Counter(records[0].dispatch_status for records in outcomes.values()) == {"dispatched": 1_400}
    assert stage.base.count("tickets") == stage.base.count("outbox") == 1_400


def _shares(*roles: ActionsRole) -> list[tuple[object, object]]:
    """Partitions of each role, expedited and ordinary; None for a lane it does not read."""
    details = [role.health().details for role in roles]
    return [(shown.get("expedited_partitions"), shown.get("ordinary_partitions")) for shown in details]


def test_expedited_actions_pass_a_backlog_of_ordinary_ones_which_goes_on_meanwhile(stage: Stage) -> None:
    ordinary = [stage.base.request() for _ in range(4_000)]
    expedited = [stage.base.request(priority=3) for _ in range(1_000)]
    stage.send(*ordinary)
    with stage.role():
        eventually(lambda: stage.base.count("tickets") >= 100, timeout_seconds=WAIT_SECONDS, what="a start")
        stage.send(*expedited, topic=EXPEDITED_ACTIONS)
        urgent = {request["delivery_id"] for request in expedited}
        done = eventually(lambda: _tickets_at_the_end_of(stage, urgent), timeout_seconds=WAIT_SECONDS, what="expedited")
        stage.outcomes(5_000)
    assert done is not None
    assert len(urgent) < done < len(ordinary) + len(urgent), "expedited first, and some ordinary ones in between"
    rows = stage.base.rows("SELECT delivery_id::text AS id FROM tickets ORDER BY number")
    lanes = [row["id"] in urgent for row in rows]
    between = lanes[lanes.index(True) : len(lanes) - lanes[::-1].index(True)]
    assert between.count(False) >= 100, "one ordinary batch after four expedited ones"


def _tickets_at_the_end_of(stage: Stage, deliveries: set[str]) -> int | None:
    """How many tickets there are, once all of `deliveries` have theirs."""
    rows = stage.base.rows("SELECT delivery_id::text AS id FROM tickets")
    return len(rows) if deliveries <= {row["id"] for row in rows} else None


def test_a_sink_bound_to_a_lane_reads_that_one_only_and_others_take_the_rest(stage: Stage) -> None:
    def shared(*expected: tuple[int | None, int | None]) -> None:
        eventually(lambda: _shares(*roles) == list(expected), timeout_seconds=WAIT_SECONDS, what=f"{expected}")

    stage.send(*(stage.base.request() for _ in range(50)))
    stage.send(*(stage.base.request(priority=2) for _ in range(50)), topic=EXPEDITED_ACTIONS)
    with stage.role(lane="expedited") as bound:
        roles = [bound]
        shared((4, None))
        stage.outcomes(50)
        assert stage.base.count("tickets") == 50, "nobody reads the ordinary lane"
        assert _unread(stage) == (ACTIONS,)
        with stage.role(lane="ordinary") as other, stage.role() as third:
            roles += [other, third]
            shared((2, None), (None, 2), (2, 2))
            stage.outcomes(100)
            assert _unread(stage) == ()
        roles = [bound]
        shared((4, None))
        assert _unread(stage) == (ACTIONS,)


def _unread(stage: Stage) -> tuple[str, ...]:
    admin = admin_client(stage.settings.kafka, "test")
    topics = (ACTIONS, EXPEDITED_ACTIONS)

    def settled() -> tuple[tuple[str, ...]] | None:
        found = group_readers(admin, stage.settings.actions.group_id, topics, timeout_seconds=10)
        return None if found.unread is None else (found.unread,)

    answer = eventually(settled, timeout_seconds=WAIT_SECONDS, what="a settled group")
    assert answer is not None
    return answer[0]


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
