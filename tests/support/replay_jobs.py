"""Replay jobs on a broker, log and database of their own, gone through step by step by a runner that can be killed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Message, Producer

from hookline.embedded.kafka import start_kafka
from hookline.embedded.postgres import PostgresServer
from infra.clickhouse import ClickHouse
from infra.clock import now_us
from infra.ids import uuid7_text
from infra.kafka import consumer_properties, producer_properties
from infra.migrations import migrate
from infra.postgres import Connection, Pool
from infra.settings import AnalyticsSettings, ReplaySettings, Settings
from infra.topics import RECEIVED, RECORDED
from management.group_watch import GroupWatch
from management.relays.session import relay_connection
from management.replay_jobs.jobs import JobStore
from management.replay_jobs.work import ReplayWork
from management.replaying.publishing import RecordPublisher
from schemas.headers import DeliveryHeaders, decode, encode
from schemas.keys import request_key
from schemas.records import DispatchStatus
from tests.support.analytics import FACTS, make_topics, outcome_record
from tests.support.ledger_stage import LedgerStage
from tests.support.management import ManagementBase, management_settings
from tests.support.offsets import ends_of
from tests.support.stack import new_database
from tests.support.wait import eventually

Json = dict[str, Any]
FAST = 5_000
_MINUTE_US = 60_000_000


@dataclass(slots=True)
class Origin:
    """A request in the raw topic."""

    headers: DeliveryHeaders
    key: bytes
    partition: int = -1
    offset: int = -1

    @property
    def id(self) -> str:
        return self.headers.delivery_id


@dataclass
class ReplayStage:
    """`base` runs the API; the lead over jobs is a test's own."""

    base: ManagementBase
    clickhouse: ClickHouse
    pool: Pool
    ledger: LedgerStage = field(init=False)
    watch: GroupWatch = field(init=False)

    def __post_init__(self) -> None:
        kafka = self.base.settings.kafka
        self.ledger = LedgerStage(self.base.settings, self.clickhouse, self.base.dsn)
        self._producer = Producer(producer_properties(kafka, "test-replays", ack_timeout_seconds=30))
        properties = consumer_properties(kafka, "test-replays", "test-replays") | {"fetch.wait.max.ms": 20}
        self._consumer = Consumer(properties)
        self.watch = GroupWatch(self.base.settings)
        self._at_us = now_us() - 30 * _MINUTE_US

    def send(
        self, webhook: Json, count: int, *, keys: int | None = None, body: bytes = b"{}", **facts: Any
    ) -> list[Origin]:
        """Requests of a webhook, one millisecond after the other; of so many keys, or each of its own."""
        sent: list[Origin] = []
        tenant_id = str(self.base.tenant.id)
        for number in range(count):
            self._at_us += 1_000
            delivery_id = uuid7_text(self._at_us)
            dedupe_key = delivery_id if keys is None else f"key-{number % keys}"
            known = FACTS.model_copy(update=facts).model_dump_json().encode()
            headers = DeliveryHeaders(delivery_id, tenant_id, webhook["id"], 1, self._at_us, known, dedupe_key)
            origin = Origin(headers, request_key(tenant_id, webhook["id"], dedupe_key))
            sent.append(origin)
            self._produce(RECEIVED, body, origin.key, encode(headers), origin)
        self.flush()
        return sent

    def end(self, deliveries: Sequence[DeliveryHeaders], status: str = "dispatched", **members: Any) -> None:
        """Record an outcome for each."""
        for one in deliveries:
            replay = one.replay
            whole = {
                "tenant_id": one.tenant_id,
                "webhook_id": one.webhook_id,
                "dispatch_status": DispatchStatus(status),
                "replay_id": None if replay is None else replay.replay_id,
                "replayed_from": None if replay is None else replay.replay_of,
                **members,
            }
            made = outcome_record(one.delivery_id, one.received_at_us, **whole)
            self._produce(RECORDED, made.value(), made.key(), made.headers())
        self.flush()

    def flush(self) -> None:
        assert self._producer.flush(30) == 0

    def stored(self, webhook: Json, count: int, **members: Any) -> list[Origin]:
        """Requests that are in the log, too."""
        sent = self.send(webhook, count, **members)
        self.ledger.store()
        return sent

    def ask(self, *, is_logged: bool = True, **members: Any) -> Json:
        """A new job; first everything that has come is put into the log, unless it is not to be."""
        if is_logged:
            self.ledger.store()
        wanted = {"mode": "redrive", "reason": "a test", "rate_per_second": FAST, **members}
        answer = self.base.call("POST", "/replays", json=wanted)
        assert answer.status_code == 202, answer.text
        asked: Json = answer.json()
        return asked

    def shown(self, job: Json) -> Json:
        answer = self.base.call("GET", f"/replays/{job['id']}")
        assert answer.status_code == 200, answer.text
        shown: Json = answer.json()
        return shown

    def change(self, job: Json, what: str, **members: Any) -> Json:
        answer = self.base.call("POST", f"/replays/{job['id']}/{what}", json=members)
        assert answer.status_code == 200, answer.text
        changed: Json = answer.json()
        return changed

    def records(self, job: Json, **params: Any) -> list[Json]:
        answer = self.base.call("GET", f"/replays/{job['id']}/records", params={"per_page": 100, **params})
        assert answer.status_code == 200, answer.text
        found: list[Json] = answer.json()["data"]
        return found

    def published(self, job: Json) -> list[tuple[DeliveryHeaders, Message]]:
        """Records of a job in the raw topic, by partition and offset."""
        found: list[tuple[DeliveryHeaders, Message]] = []
        for place in (end for ends in ends_of(self._consumer, [RECEIVED]).values() for end in ends):
            first, _ = self._consumer.get_watermark_offsets(place, timeout=10)
            for message in self._read(place, first):
                headers = decode(message.headers())
                if headers.replay is not None and headers.replay.replay_id == job["id"]:
                    found.append((headers, message))
        return found

    def check_each_once_in_order(self, job: Json, origins: Sequence[Origin]) -> None:
        """None of the origins is skipped or doubled, and those of one key are in their order."""
        by_key: dict[bytes, list[str]] = defaultdict(list)
        for headers, message in self.published(job):
            assert headers.replay is not None
            by_key[message.key()].append(headers.replay.replay_of)
        expected: dict[bytes, list[str]] = defaultdict(list)
        for one in origins:
            expected[one.key].append(one.id)
        assert by_key == expected

    def close(self) -> None:
        self.ledger.close()
        self.watch.close()
        self._consumer.close()

    def _read(self, end: Any, first: int) -> list[Message]:
        if first >= end.offset:
            return []
        self._consumer.assign([type(end)(end.topic, end.partition, first)])
        found: list[Message] = []

        def whole() -> bool:
            found.extend(self._consumer.consume(500, 0.2))
            return bool(found and found[-1].offset() >= end.offset - 1)

        eventually(whole, timeout_seconds=30, what=f"{end.topic} to be read")
        self._consumer.unassign()
        return [message for message in found if message.offset() < end.offset]

    def _produce(self, topic: str, value: bytes, key: bytes, headers: Any, origin: Origin | None = None) -> None:
        def placed(error: object, message: Message) -> None:
            assert error is None
            if origin is not None:
                origin.partition, origin.offset = message.partition(), message.offset()

        self._producer.produce(topic, value, key, headers=headers, on_delivery=placed)
        self._producer.poll(0)


class Runner:
    """What the leading management does, one step at a time, in the test's own thread."""

    def __init__(self, stage: ReplayStage, connection: Connection, **bounds: Any) -> None:
        settings = stage.base.settings
        if bounds:
            settings = settings.model_copy(update={"replays": settings.replays.model_copy(update=bounds)})
        self._stage = stage
        self._connection = connection
        self.work = ReplayWork(settings, stage.pool, stage.clickhouse, stage.watch)

    def step(self) -> None:
        self.work.step(self._connection)

    def until(self, job: Json, *states: str) -> Json:
        """Go on until the job is in one of these states."""

        def reached() -> Json | None:
            self.step()
            shown = self._stage.shown(job)
            return shown if shown["state"] in states else None

        found = eventually(reached, timeout_seconds=60, what=f"the job to be {' or '.join(states)}")
        assert found is not None
        return found

    def close(self) -> None:
        self.work.stop(5)


@contextmanager
def runner(stage: ReplayStage, **bounds: Any) -> Iterator[Runner]:
    """One that ends with the context, as when its process is killed: nothing is brought to its end."""
    with (
        relay_connection(stage.base.settings.postgres) as connection,
        closing(Runner(stage, connection, **bounds)) as one,
    ):
        yield one


@contextmanager
def own_broker(postgres: PostgresServer, folder: Path) -> Iterator[Settings]:
    """A broker and a migrated database, with settings by which nothing but a test pauses a job."""
    with start_kafka(folder / "kafka") as broker, new_database(postgres.dsn) as dsn:
        migrate(dsn)
        settings = management_settings(broker.bootstrap, dsn, folder / "master.key").model_copy(
            update={
                "analytics": AnalyticsSettings(group_id="replay-analytics"),
                "replays": ReplaySettings(lag_seconds_max=86_400, tenant_jobs_max=50),
            }
        )
        settings = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"request_partitions": 2})})
        make_topics(settings)
        yield settings


class Killed(Exception):
    """The runner's process is gone."""


def _before(patch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    def kill(*_: Any, **__: Any) -> Any:
        raise Killed

    patch.setattr(owner, name, kill)


def _half_published(patch: pytest.MonkeyPatch) -> None:
    publish = RecordPublisher.publish

    def half(self: RecordPublisher, records: Any) -> Any:
        publish(self, records[: len(records) // 2])
        raise Killed

    patch.setattr(RecordPublisher, "publish", half)


KILLS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "frozen, not planned": lambda patch: _before(patch, JobStore, "note_planned"),
    "read, not written down": lambda patch: _before(patch, JobStore, "note"),
    "written down, not published": lambda patch: _before(patch, RecordPublisher, "publish"),
    "half published": _half_published,
    "published, not marked": lambda patch: _before(patch, JobStore, "finish"),
    "all passed, not ended": lambda patch: _before(patch, JobStore, "end"),
}
