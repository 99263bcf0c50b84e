"""The loop of the action sink: consume, apply in one transaction, produce outcomes, await their acks, commit offsets.

A crash anywhere in between repeats the batch: the database answers with stored outcomes, which are produced again.
Group callbacks run only inside `consume` and `poll`, so a batch is never interrupted by a rebalance; while it waits
for Postgres or Kafka the loop polls with everything paused, and drops what another member has been given.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra import metrics
from infra.actions.registry import ActionRegistry
from infra.clock import now_us
from infra.errors import KafkaUnavailableError, PostgresUnavailableError
from infra.kafka import Outbox, PolledProducer, admin_client, consumer_properties
from infra.log import get_logger
from infra.migrations import pending_migrations
from infra.postgres import Connection, Pool, open_pool, unavailability_translated
from infra.settings import Settings
from infra.topics import ACTIONS, topic_incarnations
from schemas.records import DispatchStatus
from sinks.actions.command import PendingCommand, parse_command
from sinks.actions.condition import Condition
from sinks.actions.errors import MalformedRecordError
from sinks.actions.execution import Outcome, execute_batch
from sinks.actions.messages import dead_letter_message, delivery_message, release_message

CLIENT_ID = "hookline-actions"
_CONNECTION_WAIT_SECONDS = 3.0
# As many bytes as a batch of some size, so that the broker is not asked for every record by itself.
_FETCH_BYTES_MIN = 65_536
_IDLE_POLL_SECONDS = 0.1
_BACKOFF_SECONDS_MIN, _BACKOFF_SECONDS_MAX = 0.1, 5.0
_OBSERVE_INTERVAL_SECONDS = 1.0
_PROBE_INTERVAL_SECONDS = 5.0
_WATERMARK_TIMEOUT_SECONDS = 2.0
_CLOSE_SECONDS = 5.0

_log = get_logger(__name__)


@dataclass(slots=True)
class _Item:
    """A record of the batch: its command, or why it is none."""

    message: Message
    command: PendingCommand | None = None
    fault: str = ""


class ActionConsumer:
    """One member of the group. `run` returns after `stopping` is set, with the batch at hand finished or untouched."""

    def __init__(
        self, settings: Settings, registry: ActionRegistry, condition: Condition, stopping: threading.Event
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._condition = condition
        self._stopping = stopping
        self._carried: list[Message] = []
        self._pending_offsets: dict[int, int] = {}
        self._starts: dict[int, int] = {}
        self._is_waiting = False
        self._is_migrated = False
        self._incarnation: str | None = None
        self._observed_at = 0.0
        self._database_seen_at = float("-inf")
        self._pool: Pool = open_pool(settings.postgres)
        self._producer = self._new_producer()
        properties = consumer_properties(settings.kafka, CLIENT_ID, settings.actions.group_id) | {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": int(settings.actions.session_timeout_seconds * 1_000),
            "error_cb": self._on_error,
            "fetch.min.bytes": _FETCH_BYTES_MIN,
            "fetch.wait.max.ms": settings.actions.batch_wait_milliseconds,
        }
        self._consumer = Consumer(properties)

    def run(self) -> None:
        """Work until told to stop. Raises KafkaException when the consumer itself is broken; run a new one then."""
        with ExitStack() as at_end:
            at_end.callback(self._pool.close, _CLOSE_SECONDS)
            at_end.callback(lambda: self._producer.close(_CLOSE_SECONDS))
            at_end.callback(self._consumer.close)
            at_end.callback(self._commit)
            self._consumer.subscribe([ACTIONS], on_assign=self._on_assign, on_revoke=self._on_revoke)
            while not self._stopping.is_set():
                self._turn()

    def _turn(self) -> None:
        bounds = self._settings.actions
        wait_seconds = bounds.batch_wait_milliseconds / 1_000
        messages, self._carried = self._carried, []
        if len(messages) < bounds.batch_records_max:
            messages += self._consumer.consume(bounds.batch_records_max - len(messages), timeout=wait_seconds)
        self._condition.heartbeat_at = time.monotonic()
        records = [message for message in messages if self._is_record(message)]
        if records:
            self._process([self._parse(message) for message in records])
        self._observe()

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.fatal():
            raise KafkaException(error)
        self._condition.blocked("kafka", error.str())
        return False

    def _parse(self, message: Message) -> _Item:
        try:
            return _Item(message, parse_command(message.value(), message.headers(), self._registry))
        except MalformedRecordError as error:
            return _Item(message, fault=str(error))

    def _process(self, batch: list[_Item]) -> None:
        started = time.monotonic()
        applied = self._until_done("postgres", batch, self._apply)
        if applied is None or self._until_done("kafka", batch, lambda items: self._publish(items, applied)) is None:
            return  # stopping, or every partition of the batch was taken away; somebody repeats it
        for item in batch:
            self._pending_offsets[item.message.partition()] = item.message.offset() + 1
        self._commit()
        self._account(batch, applied, time.monotonic() - started)

    def _until_done(self, dependency: str, batch: list[_Item], work: Callable[[list[_Item]], Any | None]) -> Any | None:
        """The result of `work`, tried until the dependency is back. None: stopping, or nothing is left to do."""
        delay = _BACKOFF_SECONDS_MIN
        while not self._stopping.is_set() and batch:
            try:
                result = work(batch)
            except (PostgresUnavailableError, KafkaUnavailableError) as error:
                if self._condition.blocked(dependency, str(error)):
                    _log.warning("actions.waiting", dependency=dependency, reason=str(error))
                metrics.ACTIONS_RETRIES.labels(dependency).inc()
                self._idle(delay)
                delay = min(2 * delay, _BACKOFF_SECONDS_MAX)
                self._drop_lost(batch)
                continue
            if self._condition.freed(dependency):
                _log.info("actions.resumed", dependency=dependency)
            self._resume()
            return result
        self._resume()
        return None

    def _apply(self, batch: list[_Item]) -> dict[int, Outcome]:
        """Outcomes by the identity of their item; committed. Raises PostgresUnavailableError."""
        runnable = [(item, item.command) for item in batch if item.command is not None]
        if not runnable:
            return {}
        attempts_max = self._settings.actions.attempts_max
        commands = [command for _, command in runnable]
        with self._connected() as connection:
            outcomes = execute_batch(connection, commands, now_us=now_us(), attempts_max=attempts_max)
        return {id(item): outcome for (item, _), outcome in zip(runnable, outcomes, strict=True)}

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A connection to a migrated database. Raises PostgresUnavailableError, also for what its user does."""
        try:
            with unavailability_translated(), self._pool.connection(_CONNECTION_WAIT_SECONDS) as connection:
                if not self._is_migrated:
                    self._require_migrated(pending_migrations(connection))
                    connection.commit()
                self._database_seen_at = time.monotonic()
                yield connection
        except psycopg.Error as error:
            raise PostgresUnavailableError(f"the transaction failed: {type(error).__name__}") from error

    def _require_migrated(self, pending: Sequence[str]) -> None:
        if pending:
            raise PostgresUnavailableError(f"the database lacks migrations: {', '.join(pending)}; run hookline migrate")
        self._is_migrated = True

    def _probe_database(self) -> None:
        """Keep health true while there is nothing to write."""
        try:
            with self._connected() as connection:
                connection.execute("SELECT 1")
        except PostgresUnavailableError as error:
            self._condition.blocked("postgres", str(error))
        else:
            self._condition.freed("postgres")

    def _publish(self, batch: list[_Item], outcomes: dict[int, Outcome]) -> bool:
        """Produce everything the batch has to say and await the acks. Raises KafkaUnavailableError."""
        if self._producer.fatal_error is not None:
            self._producer.close(0)
            self._producer = self._new_producer()
        outbox, at_us = Outbox(self._producer), now_us()
        for item in batch:
            outcome = outcomes.get(id(item))
            if item.command is None or outcome is None:
                self._send_dead_letter(outbox, item.message, item.fault, at_us)
                continue
            outbox.send(**delivery_message(item.command, outcome, at_us))
            release = release_message(item.command, outcome, at_us)
            if release is not None:
                outbox.send(**release)
            if outcome.is_internal:
                self._send_dead_letter(outbox, item.message, outcome.body["message"], at_us)
        outbox.wait(self._settings.actions.ack_timeout_seconds)
        return True

    def _send_dead_letter(self, outbox: Outbox, message: Message, reason: str, at_us: int) -> None:
        if self._incarnation is None:
            self._incarnation = topic_incarnations(admin_client(self._settings.kafka, CLIENT_ID), [ACTIONS])[ACTIONS]
        outbox.send(**dead_letter_message(message, reason, incarnation=self._incarnation, failed_at_us=at_us))

    def _commit(self) -> None:
        """Commit what is done. A refusal is no loss: the next commit covers it, or another member repeats the batch."""
        owned = {partition.partition for partition in self._consumer.assignment()}
        offsets = [TopicPartition(ACTIONS, p, offset) for p, offset in self._pending_offsets.items() if p in owned]
        self._pending_offsets = {p: offset for p, offset in self._pending_offsets.items() if p in owned}
        if not offsets:
            return
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            metrics.ACTIONS_RETRIES.labels("commit").inc()
            _log.warning("actions.commit.refused", reason=error.args[0].str())
            return
        self._pending_offsets.clear()
        self._condition.last_commit_at_us = now_us()
        metrics.ACTIONS_LAST_COMMIT.set(self._condition.last_commit_at_us / 1e6)

    def _account(self, batch: Sequence[_Item], outcomes: dict[int, Outcome], seconds: float) -> None:
        counts = {"dispatched": 0, "failed": 0, "repeated": 0, "dead_letter": 0}
        for item in batch:
            outcome = outcomes.get(id(item))
            if outcome is None or outcome.is_internal:
                counts["dead_letter"] += 1
            elif outcome.repeated:
                counts["repeated"] += 1
            else:
                counts["dispatched" if outcome.status is DispatchStatus.DISPATCHED else "failed"] += 1
        for name, count in counts.items():
            metrics.ACTIONS.labels(name).inc(count)
        metrics.ACTIONS_BATCH_RECORDS.observe(len(batch))
        metrics.ACTIONS_BATCH_SECONDS.observe(seconds)
        _log.info("actions.batch", records=len(batch), milliseconds=round(seconds * 1_000, 1), **counts)

    def _idle(self, seconds: float) -> None:
        """Stay a member of the group without taking records."""
        self._is_waiting = True
        self._consumer.pause(self._consumer.assignment())
        deadline = time.monotonic() + seconds
        while not self._stopping.is_set() and time.monotonic() < deadline:
            self._condition.heartbeat_at = time.monotonic()
            message = self._consumer.poll(_IDLE_POLL_SECONDS)
            if message is not None and self._is_record(message):
                self._carried.append(message)

    def _resume(self) -> None:
        if self._is_waiting:
            self._is_waiting = False
            self._consumer.resume(self._consumer.assignment())

    def _drop_lost(self, batch: list[_Item]) -> None:
        owned = {partition.partition for partition in self._consumer.assignment()}
        batch[:] = [item for item in batch if item.message.partition() in owned]
        self._carried = [message for message in self._carried if message.partition() in owned]

    def _observe(self) -> None:
        """Lag and the broker's presence, once a second.

        Watermarks come from what was fetched: asking for them would wait behind the fetch on the same connection.
        """
        now = time.monotonic()
        if now - self._observed_at < _OBSERVE_INTERVAL_SECONDS:
            return
        self._observed_at = now
        if self._pending_offsets:
            self._commit()
        if now - self._database_seen_at > _PROBE_INTERVAL_SECONDS or self._condition.is_blocked("postgres"):
            self._probe_database()
        partitions = self._consumer.assignment()
        self._condition.partitions = len(partitions)
        try:
            if partitions and self._condition.is_blocked("kafka"):
                self._consumer.get_watermark_offsets(partitions[0], timeout=_WATERMARK_TIMEOUT_SECONDS)
                self._condition.freed("kafka")
            lags = [self._lag_of(position) for position in self._consumer.position(partitions)]
        except KafkaException as error:
            self._condition.blocked("kafka", error.args[0].str())
            return
        self._condition.lag_records = None if None in lags else sum(lag for lag in lags if lag is not None)
        metrics.ACTIONS_LAG_RECORDS.set(self._condition.lag_records or 0)

    def _lag_of(self, position: TopicPartition) -> int | None:
        """Records behind the position (before the first record: behind the start of the fetch); None: not known yet."""
        low, high = self._consumer.get_watermark_offsets(position, cached=True)
        if high < 0:
            return None
        done = position.offset if position.offset >= 0 else self._start_of(position, low)
        return int(max(0, high - done))

    def _start_of(self, position: TopicPartition, low: int) -> int:
        if position.partition not in self._starts:
            committed = self._consumer.committed([position], timeout=_WATERMARK_TIMEOUT_SECONDS)[0].offset
            self._starts[position.partition] = committed if committed >= 0 else max(low, 0)
        return self._starts[position.partition]

    # The client itself changes the assignment after a callback that has not; only a pause needs it done before.
    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._is_waiting and partitions:
            consumer.incremental_assign(partitions)
            consumer.pause(partitions)
        self._joined(partitions, "assigned")

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit()
        self._joined(partitions, "revoked")

    def _joined(self, partitions: Sequence[TopicPartition], change: str) -> None:
        metrics.ACTIONS_REBALANCES.inc()
        self._starts.clear()
        self._condition.has_joined = True
        _log.info("actions.rebalanced", change=change, partitions=[p.partition for p in partitions])

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._condition.blocked("kafka", "no broker answers")

    def _new_producer(self) -> PolledProducer:
        ack_timeout_seconds = self._settings.actions.ack_timeout_seconds
        return PolledProducer(self._settings.kafka, client_id=CLIENT_ID, ack_timeout_seconds=ack_timeout_seconds)
