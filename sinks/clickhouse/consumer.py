"""The loop of one consumer: consume, plan, insert, commit, one partition's batch after another.

The order is the guarantee: the range is committed as metadata, then the rows are inserted, then the offset is
committed. Whatever dies in between, the next owner of the partition repeats exactly that range.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from infra import metrics
from infra.clock import now_us
from infra.errors import ClickHouseRefusedError, ClickHouseUnavailableError, KafkaUnavailableError
from infra.groups import analytics_group_id
from infra.kafka import admin_client, consumer_properties
from infra.log import get_logger
from infra.settings import AnalyticsSettings, KafkaSettings
from infra.topics import topic_incarnations
from sinks.clickhouse.core.batches import (
    Batch,
    Limits,
    PartitionBuffer,
    Plan,
    decode_plan,
    may_consume,
    next_due,
)
from sinks.clickhouse.core.rows import Rows, Source
from sinks.clickhouse.writer import BatchWriter

_POLL_SECONDS = 0.1
_POLL_RECORDS_MAX = 10_000
_LOOKUP_SECONDS = 10.0
_RETRY_WAIT_SECONDS_FIRST = 0.2
_RECORD_OVERHEAD_BYTES = 600
_LOCAL_QUEUE_KILOBYTES = 32_768
_FETCH_BYTES_MIN = 1_048_576
_FETCH_WAIT_MILLISECONDS = 500

Build = Callable[[Sequence[Message], Source], list[Rows]]
Buffer = PartitionBuffer[Message]
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one consumer reads and which rows it makes of it."""

    name: str
    topics: tuple[str, ...]
    build: Build

    def group_id(self, settings: AnalyticsSettings) -> str:
        """The consumer group."""
        return analytics_group_id(settings, self.name)


@dataclass(slots=True)
class ConsumerState:
    """What the health of a consumer is told from; written by its thread, read by others.

    `owned` are topics and partitions; `waited_at` (monotonic seconds) is when it last waited for ClickHouse.
    """

    trouble: str | None = None
    joined: bool = False
    last_commit_at_us: int | None = None
    progress_at: float = field(default_factory=time.monotonic)
    owned: frozenset[tuple[str, int]] = frozenset()
    waited_at: float = float("-inf")


class _Inserted(NamedTuple):
    rows: list[Rows]
    completed: int


class RangeConsumer:
    """Consumes one subscription until `stopping` is set. `run` is called once, on a thread of its own."""

    def __init__(
        self,
        subscription: Subscription,
        writer: BatchWriter,
        *,
        kafka: KafkaSettings,
        analytics: AnalyticsSettings,
        stopping: threading.Event,
    ) -> None:
        self.subscription = subscription
        self.state = ConsumerState()
        self._writer = writer
        self._kafka = kafka
        self._analytics = analytics
        self._stopping = stopping
        wait_us = analytics.batch_wait_milliseconds * 1_000
        self._limits = Limits(analytics.batch_records_max, analytics.batch_bytes_max, wait_us)
        self._buffers: dict[tuple[str, int], Buffer] = {}
        metrics.begin_at_zero(metrics.ANALYTICS_UNDECODABLE, [subscription.name])

    def run(self) -> None:
        """Blocks until stopped; what is buffered then stays in Kafka for the next owner."""
        client_id = self.subscription.group_id(self._analytics)
        self._admin: AdminClient = admin_client(self._kafka, f"{client_id}-admin")
        self._consumer = Consumer(self._properties(client_id))
        self._consumer.subscribe(
            list(self.subscription.topics),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_revoke,
        )
        try:
            while not self._stopping.is_set():
                self._step()
        finally:
            self._consumer.close()

    def _properties(self, client_id: str) -> dict[str, Any]:
        return {
            **consumer_properties(self._kafka, client_id, self.subscription.group_id(self._analytics)),
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": int(self._analytics.session_timeout_seconds * 1_000),
            "heartbeat.interval.ms": int(self._analytics.session_timeout_seconds * 1_000 / 5),
            "queued.max.messages.kbytes": _LOCAL_QUEUE_KILOBYTES,
            # Rows wait for seconds anyway; an answer per record would be a request per record to the broker.
            "fetch.min.bytes": _FETCH_BYTES_MIN,
            "fetch.wait.max.ms": _FETCH_WAIT_MILLISECONDS,
        }

    def _step(self) -> None:
        if may_consume(list(self._buffers.values()), self._limits):
            self._poll(_POLL_SECONDS)
        if not self._look_up_plans():
            return
        while not self._stopping.is_set():
            now = now_us()
            buffer = next_due(list(self._buffers.values()), now, self._limits)
            if buffer is None:
                return
            batch = buffer.take(now, self._limits)
            if batch is not None and not self._deliver(buffer, batch):
                return

    def _poll(self, timeout_seconds: float) -> None:
        """Serve the group and buffer what arrives."""
        now = now_us()
        for message in self._consumer.consume(_POLL_RECORDS_MAX, timeout_seconds):
            error = message.error()
            if error is not None:
                self._note_kafka_error(error)
                continue
            key = (message.topic(), message.partition())
            offset = message.offset()
            buffer = self._buffers.get(key)
            if buffer is None or buffer.goes_back(offset):
                buffer = self._buffers[key] = PartitionBuffer(*key)
            buffer.add(message, offset=offset, size_bytes=len(message) + _RECORD_OVERHEAD_BYTES, now_us=now)

    def _look_up_plans(self) -> bool:
        """Learn the incarnation and the committed plan of partitions that are new here; False: not possible now."""
        fresh = [buffer for buffer in self._buffers.values() if buffer.incarnation is None and len(buffer)]
        if not fresh:
            return True
        wanted = [TopicPartition(buffer.topic, buffer.partition) for buffer in fresh]
        try:
            incarnations = topic_incarnations(self._admin, sorted({buffer.topic for buffer in fresh}))
            committed = self._consumer.committed(wanted, timeout=_LOOKUP_SECONDS)
            _raise_partition_errors(committed)
        except (KafkaException, KafkaUnavailableError) as error:
            self._wait(f"Kafka: committed offsets cannot be read: {error}", _RETRY_WAIT_SECONDS_FIRST)
            return False
        for buffer, position in zip(fresh, committed, strict=True):
            incarnation = incarnations[buffer.topic]
            buffer.plan = decode_plan(position.offset, position.metadata, incarnation=incarnation)
            buffer.incarnation = incarnation
        return True

    def _deliver(self, buffer: Buffer, batch: Batch[Message]) -> bool:
        """Plan, insert, commit. False when the partition was lost or the role stops: the next owner repeats it."""
        started = time.monotonic()
        source = Source(buffer.topic, buffer.incarnation or "", buffer.partition)
        if not batch.planned:
            plan = Plan(batch.first_offset, batch.last_offset).encode(source.incarnation)
            if not self._commit(buffer, batch.first_offset, plan):
                return False
        inserted = self._insert(buffer, batch, source)
        if inserted is None or not self._commit(buffer, batch.last_offset + 1, ""):
            return False
        self._report(batch, source, inserted, time.monotonic() - started)
        return True

    def _insert(self, buffer: Buffer, batch: Batch[Message], source: Source) -> _Inserted | None:
        """The rows, and how many had to be completed; None when given up for the next owner."""
        wait_seconds = _RETRY_WAIT_SECONDS_FIRST
        built: list[Rows] = []
        while self._owns(buffer):
            try:
                # Within the attempt, as it asks ClickHouse how long rows are kept.
                built = built or self.subscription.build(batch.records, source)
                self._writer.write(built, source, batch.first_offset, batch.last_offset)
                if not batch.planned:
                    return _Inserted(built, 0)
                completed = self._writer.complete(built, source, batch.first_offset, batch.last_offset)
                return _Inserted(built, completed)
            except (ClickHouseUnavailableError, ClickHouseRefusedError) as error:
                metrics.ANALYTICS_INSERT_FAILURES.inc()
                self.state.waited_at = time.monotonic()
                self._wait(f"ClickHouse: {error}", wait_seconds)
                wait_seconds = min(2 * wait_seconds, self._analytics.retry_wait_seconds_max)
        return None

    def _commit(self, buffer: Buffer, offset: int, metadata: str) -> bool:
        """Commit one partition's offset; tried again until it is done or the partition is no longer ours."""
        position = TopicPartition(buffer.topic, buffer.partition, offset, metadata=metadata)
        wait_seconds = _RETRY_WAIT_SECONDS_FIRST
        while self._owns(buffer):
            try:
                [answer] = self._consumer.commit(offsets=[position], asynchronous=False)
                if answer.error is None:
                    self._note_commit()
                    return True
                reason = answer.error.str()
            except KafkaException as error:
                reason = error.args[0].str()
            self._wait(f"Kafka: offset not committed: {reason}", wait_seconds)
            wait_seconds = min(2 * wait_seconds, self._analytics.retry_wait_seconds_max)
        return False

    def _owns(self, buffer: Buffer) -> bool:
        return not self._stopping.is_set() and self._buffers.get((buffer.topic, buffer.partition)) is buffer

    def _wait(self, trouble: str, seconds: float) -> None:
        """Say what is wrong and stay a member of the group meanwhile, without taking more records."""
        if self.state.trouble is None:
            _log.warning("analytics.waiting", consumer=self.subscription.name, reason=trouble)
        self.state.trouble = trouble
        assigned = self._consumer.assignment()
        self._consumer.pause(assigned)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._stopping.is_set():
            self._poll(_POLL_SECONDS)
        still_assigned = set(self._consumer.assignment())
        self._consumer.resume([partition for partition in assigned if partition in still_assigned])

    def _note_commit(self) -> None:
        self.state.trouble = None
        self.state.last_commit_at_us = now_us()
        self.state.progress_at = time.monotonic()
        metrics.ANALYTICS_LAST_COMMIT.set_to_current_time()

    def _note_kafka_error(self, error: KafkaError) -> None:
        if error.fatal():
            raise KafkaUnavailableError(error.str())
        _log.warning("analytics.kafka", consumer=self.subscription.name, reason=error.str())

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # A partition that was lost while `_wait` had paused it comes back paused, and would stay so. First, as a call
        # that the start of its fetching overtakes is dropped by the client (confluentinc/librdkafka#5591).
        consumer.resume(partitions)
        consumer.incremental_assign(partitions)
        self.state.trouble = None
        self.state.joined = True
        metrics.ANALYTICS_REBALANCES.labels(self.subscription.name).inc()
        self.state.owned |= self._forget(partitions)

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.state.owned -= self._forget(partitions)

    def _forget(self, partitions: list[TopicPartition]) -> set[tuple[str, int]]:
        """Drop what is buffered of partitions that come or go; which these are."""
        keys = {(partition.topic, partition.partition) for partition in partitions}
        for key in keys:
            self._buffers.pop(key, None)
        return keys

    def _report(self, batch: Batch[Message], source: Source, inserted: _Inserted, seconds: float) -> None:
        name = self.subscription.name
        counts = {rows.table: rows.columns.num_rows for rows in inserted.rows}
        for table, count in counts.items():
            metrics.ANALYTICS_ROWS.labels(table).inc(count)
        undecodable = counts.get("undecodable_records", 0)
        metrics.ANALYTICS_UNDECODABLE.labels(name).inc(undecodable)
        metrics.ANALYTICS_BATCH_ROWS.labels(name).observe(len(batch.records))
        metrics.ANALYTICS_BATCH_SECONDS.labels(name).observe(seconds)
        metrics.ANALYTICS_PLANS_REPLAYED.inc(int(batch.planned))
        _log.info(
            "analytics.batch.inserted",
            consumer=name,
            topic=source.topic,
            partition=source.partition,
            first_offset=batch.first_offset,
            last_offset=batch.last_offset,
            records=len(batch.records),
            undecodable=undecodable,
            replayed=batch.planned,
            completed=inserted.completed,
            seconds=round(seconds, 4),
        )


def _raise_partition_errors(positions: Sequence[TopicPartition]) -> None:
    for position in positions:
        if position.error is not None:
            raise KafkaException(position.error)
