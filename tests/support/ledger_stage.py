"""The ledger on a broker of its own: records are sent, attested and stored step by step, at times of our choice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from infra.clickhouse import ClickHouse
from infra.clock import HOUR_US, now_us
from infra.ids import uuid7_text
from infra.kafka import admin_client, consumer_properties, producer_properties
from infra.ledger.examination import Examination, Examiner
from infra.ledger.log import LoggedDeliveries, Window
from infra.ledger.places import open_places
from infra.settings import Settings
from infra.topics import (
    ACCEPTED,
    ACTIONS,
    EXPEDITED,
    EXPEDITED_ACTIONS,
    RECEIVED,
    RECORDED,
    topic_incarnations,
)
from ingress.core.attested import AttestedTally
from sinks.clickhouse.core.rows import Source
from sinks.clickhouse.role import SUBSCRIPTIONS
from sinks.clickhouse.writer import BatchWriter
from tests.support.analytics import MadeRecord, outcome_record, request_record
from tests.support.management import KnownTenant, make_tenant
from tests.support.offsets import ends_of
from tests.support.wait import eventually

_STORED = (RECEIVED, EXPEDITED, RECORDED, ACCEPTED)
_HOURS_BACK = 30


@dataclass(slots=True)
class Sent:
    """A record of a raw topic, as a receiver would know it."""

    tenant_id: str
    delivery_id: bytes
    received_at: int
    invalid_json: bool = False
    answered: bool = False
    is_test: bool = False
    partition: int = -1
    offset: int = -1
    account: tuple[str, int, str] = field(init=False)

    def __post_init__(self) -> None:
        self.account = self.tenant_id, self.received_at // HOUR_US, RECEIVED

    @property
    def text(self) -> str:
        return self.delivery_id.decode()


@dataclass
class LedgerStage:
    """Hours go on from test to test, so that offsets and times rise together as they do in life."""

    settings: Settings
    clickhouse: ClickHouse
    dsn: str
    examiner: Examiner = field(init=False)
    _hours: Iterator[int] = field(default_factory=lambda: itertools.count(now_us() // HOUR_US - _HOURS_BACK))
    _positions: dict[tuple[str, int], int] = field(default_factory=dict)
    _consumers: dict[str, Consumer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        properties = producer_properties(self.settings.kafka, "test-ledger", ack_timeout_seconds=30)
        self._producer = Producer(properties)
        self._incarnations = topic_incarnations(admin_client(self.settings.kafka, "test-ledger"), _STORED)
        self.examiner = Examiner(self.settings, LoggedDeliveries(self.clickhouse))
        self._tally = AttestedTally()
        self._sequences = itertools.count(1)
        self._instance_id = str(uuid4())

    def new_tenant(self) -> KnownTenant:
        return make_tenant(self.dsn, f"ledger-{uuid4().hex[:12]}")

    def new_hour(self) -> int:
        """The start of an hour that no test has used, long over."""
        return next(self._hours) * HOUR_US

    def send(
        self, tenant: KnownTenant, hour_us: int, count: int, *, again: Sent | None = None, **members: Any
    ) -> list[Sent]:
        """So many requests of that hour, in the raw topic; `again`: the delivery of an earlier one."""
        sent = []
        for number in range(count):
            received_at = hour_us + 60_000_000 + number if again is None else again.received_at
            delivery_id = uuid7_text(received_at) if again is None else again.text
            is_test = bool(members.get("is_test"))
            sent.append(one := Sent(str(tenant.id), delivery_id.encode(), received_at, is_test=is_test))
            made = request_record(delivery_id, received_at, tenant_id=str(tenant.id), **members)
            self._produce(RECEIVED, made, received_at, one)
        assert self._producer.flush(30) == 0
        return sent

    def attest(self, sent: Sequence[Sent]) -> None:
        """A receiver says that these were acknowledged to it."""
        for one in sent:
            self._tally.note(one, one.partition, one.offset)
        value = {
            "instance_id": self._instance_id,
            "sequence": next(self._sequences),
            "attested_at": sent[0].received_at,
            "entries": list(self._tally.take()),
        }
        self._produce(ACCEPTED, MadeRecord(b"", orjson.dumps(value)), sent[0].received_at)
        assert self._producer.flush(30) == 0

    def end(self, sent: Sequence[Sent], status: str = "dispatched") -> None:
        """Record an outcome for each."""
        for one in sent:
            members = {"tenant_id": one.tenant_id, "dispatch_status": status, "is_test": one.is_test}
            self._produce(RECORDED, outcome_record(one.text, one.received_at, **members), one.received_at)
        assert self._producer.flush(30) == 0

    def store(self) -> None:
        """What the sink and the stages before it do: everything so far is in the log, and every offset committed."""
        for subscription in SUBSCRIPTIONS[:2] + SUBSCRIPTIONS[3:]:
            self._store(subscription.build, subscription.group_id(self.settings.analytics), subscription.topics)
        for group_id, topics in (
            (self.settings.processors.group_id, (RECEIVED, EXPEDITED)),
            (self.settings.actions.group_id, (ACTIONS, EXPEDITED_ACTIONS)),
        ):
            consumer = self._consumer(group_id)
            consumer.commit(offsets=self._ends(consumer, topics), asynchronous=False)

    def examine(self, hour_us: int, tenant: KnownTenant | None = None) -> Examination:
        """Of one hour, as of now."""
        tenant_id = "" if tenant is None else str(tenant.id)
        with open_places(self.settings) as places:
            return self.examiner.examine(places, Window(hour_us, hour_us + HOUR_US, tenant_id), now_us())

    def delete(self, sent: Sequence[Sent]) -> None:
        """Take rows out of the log, as no part of Hookline does."""
        ids = ", ".join(f"'{one.text}'" for one in sent)
        statement = f"ALTER TABLE deliveries DELETE WHERE delivery_id IN ({ids}) SETTINGS mutations_sync = 2"
        self.clickhouse.execute(statement)

    def write_row(self, made: MadeRecord, partition: int) -> None:
        """A row of the log for a record that is in no topic."""
        source = Source(RECEIVED, self._incarnations[RECEIVED], partition)
        build = SUBSCRIPTIONS[0].build
        BatchWriter(self.clickhouse).write(build([made], source), source, int(uuid4()) % 2**60, 0)

    def _produce(self, topic: str, made: MadeRecord, at_us: int, sent: Sent | None = None) -> None:
        def placed(error: object, message: Message) -> None:
            assert error is None
            if sent is not None:
                sent.partition, sent.offset = message.partition(), message.offset()

        self._producer.produce(
            topic, made.value(), made.key(), headers=made.headers(), timestamp=at_us // 1_000, on_delivery=placed
        )

    def _store(self, build: Any, group_id: str, topics: Sequence[str]) -> None:
        consumer = self._consumer(group_id)
        ends = self._ends(consumer, topics)
        for end in ends:
            first = self._positions.get((end.topic, end.partition), 0)
            if first < end.offset:
                source = Source(end.topic, self._incarnations[end.topic], end.partition)
                records = _read(consumer, end, first)
                BatchWriter(self.clickhouse).write(build(records, source), source, first, end.offset)
                self._positions[end.topic, end.partition] = end.offset
        consumer.commit(offsets=ends, asynchronous=False)

    def _ends(self, consumer: Consumer, topics: Sequence[str]) -> list[TopicPartition]:
        return [place for places in ends_of(consumer, topics).values() for place in places]

    def _consumer(self, group_id: str) -> Consumer:
        if group_id not in self._consumers:
            self._consumers[group_id] = Consumer(consumer_properties(self.settings.kafka, "test-ledger", group_id))
        return self._consumers[group_id]

    def close(self) -> None:
        for consumer in self._consumers.values():
            consumer.close()


def _read(consumer: Consumer, end: TopicPartition, first: int) -> list[Message]:
    consumer.assign([TopicPartition(end.topic, end.partition, first)])
    found: list[Message] = []

    def whole() -> bool:
        found.extend(consumer.consume(end.offset - first - len(found), 0.5))
        return bool(len(found) == end.offset - first)

    eventually(whole, timeout_seconds=20, what=f"{end.topic} to be read")
    consumer.unassign()
    return found
