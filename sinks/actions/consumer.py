"""The loop of the action sink: consume, apply in one transaction, produce outcomes, await their acks, commit offsets.

A batch comes from one lane; expedited actions are taken first, and ordinary ones have their share. A crash anywhere in
between repeats the batch: the database answers with stored outcomes, which are produced again. Group callbacks run only
inside calls of a lane, so a batch is never interrupted by a rebalance; while it waits for Postgres or Kafka the loop
polls with everything paused, and drops what another member has been given.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from confluent_kafka import KafkaError, KafkaException, Message

from infra import metrics
from infra.actions.registry import ActionRegistry
from infra.clock import now_us
from infra.errors import KafkaUnavailableError, PostgresUnavailableError
from infra.kafka import Outbox, PolledProducer, admin_client
from infra.log import get_logger
from infra.migrations import pending_migrations
from infra.postgres import Connection, Pool, open_pool, unavailability_translated
from infra.settings import Settings
from infra.sla import OutcomeMeter
from infra.topics import topic_incarnations
from schemas.records import ActionRequest, DispatchStatus
from sinks.actions.command import PendingCommand, parse_command
from sinks.actions.condition import Condition
from sinks.actions.errors import MalformedRecordError
from sinks.actions.execution import Outcome, execute_batch
from sinks.actions.lane import Lane, LaneReader, lanes_of
from sinks.actions.messages import dead_letter_message, delivery_message, release_message, requested_at_us

CLIENT_ID = "hookline-actions"
_CONNECTION_WAIT_SECONDS = 3.0
_IDLE_POLL_SECONDS = 0.1
_BACKOFF_SECONDS_MIN, _BACKOFF_SECONDS_MAX = 0.1, 5.0
_OBSERVE_INTERVAL_SECONDS = 1.0
_PROBE_INTERVAL_SECONDS = 5.0
_CLOSE_SECONDS = 5.0
#: How a record may end, as the metrics name it.
OUTCOMES = ("dispatched", "failed", "repeated", "dead_letter")

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
        self._meter = OutcomeMeter(settings.sla)
        self._consecutive_expedited = 0
        self._is_migrated = False
        self._incarnations: dict[str, str] = {}
        self._observed_at = 0.0
        self._database_seen_at = float("-inf")
        self._pool: Pool = open_pool(settings.postgres, generic_plans=True)
        self._producer = self._new_producer()
        self._lanes: list[LaneReader] = []
        metrics.begin_at_zero(metrics.ACTIONS, OUTCOMES)

    def run(self) -> None:
        """Work until told to stop. Raises KafkaException when a consumer itself is broken; run a new one then."""
        with ExitStack() as at_end:
            at_end.callback(self._pool.close, _CLOSE_SECONDS)
            at_end.callback(lambda: self._producer.close(_CLOSE_SECONDS))
            for lane in lanes_of(self._settings):
                self._lanes.append(LaneReader(self._settings, lane, self._condition, self._on_error))
                at_end.callback(self._lanes[-1].close)
            while not self._stopping.is_set():
                self._turn()

    def _turn(self) -> None:
        lane, messages = self._take()
        self._condition.heartbeat_at = time.monotonic()
        if messages:
            self._process(lane, [self._parse(message) for message in messages])
        self._observe()

    def _take(self) -> tuple[LaneReader, list[Message]]:
        """The next records of one lane: the expedited one, unless the other's turn has come."""
        bounds = self._settings.actions
        is_others_turn = self._consecutive_expedited >= bounds.consecutive_expedited_batches_max
        *before, last = reversed(self._lanes) if is_others_turn else self._lanes
        messages: list[Message] = []
        for lane, wait_seconds in (*((lane, 0.0) for lane in before), (last, bounds.batch_wait_milliseconds / 1_000)):
            messages = lane.take(bounds.batch_records_max, wait_seconds)
            if messages:
                self._consecutive_expedited = self._consecutive_expedited + 1 if lane.lane is Lane.EXPEDITED else 0
                return lane, messages
        return last, messages

    def _parse(self, message: Message) -> _Item:
        try:
            command = parse_command(message.value(), message.headers(), self._registry, key=message.key())
            return _Item(message, command)
        except MalformedRecordError as error:
            return _Item(message, fault=str(error))

    def _process(self, lane: LaneReader, batch: list[_Item]) -> None:
        started = time.monotonic()
        applied = self._until_done("postgres", lane, batch, self._apply)
        if applied is None:
            return
        if self._until_done("kafka", lane, batch, lambda items: self._publish(items, applied)) is None:
            return  # stopping, or every partition of the batch was taken away; somebody repeats it
        lane.finish(item.message for item in batch)
        self._account(lane, batch, applied, time.monotonic() - started)

    def _until_done(
        self, dependency: str, lane: LaneReader, batch: list[_Item], work: Callable[[list[_Item]], Any | None]
    ) -> Any | None:
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
                owned = lane.owned()
                batch[:] = [item for item in batch if item.message.partition() in owned]
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
            requested_us = requested_at_us(item.message)
            outbox.send(**delivery_message(item.command, outcome, at_us, requested_at_us=requested_us))
            release = release_message(item.command, outcome, at_us)
            if release is not None:
                outbox.send(**release)
            if outcome.is_internal:
                self._send_dead_letter(outbox, item.message, outcome.body["message"], at_us)
        outbox.wait(self._settings.actions.ack_timeout_seconds)
        return True

    def _send_dead_letter(self, outbox: Outbox, message: Message, reason: str, at_us: int) -> None:
        topic = message.topic() or ""
        if topic not in self._incarnations:
            self._incarnations |= topic_incarnations(admin_client(self._settings.kafka, CLIENT_ID), [topic])
        incarnation = self._incarnations[topic]
        outbox.send(**dead_letter_message(message, reason, incarnation=incarnation, failed_at_us=at_us))

    def _account(self, lane: LaneReader, batch: Sequence[_Item], outcomes: dict[int, Outcome], seconds: float) -> None:
        counts = dict.fromkeys(OUTCOMES, 0)
        at_us = now_us()
        for item in batch:
            outcome = outcomes.get(id(item))
            if outcome is None or outcome.is_internal:
                counts["dead_letter"] += 1
            elif outcome.repeated:
                counts["repeated"] += 1
            else:
                counts["dispatched" if outcome.status is DispatchStatus.DISPATCHED else "failed"] += 1
            if item.command is not None and outcome is not None and not outcome.repeated:
                self._measure(item.command.request, at_us)
        for name, count in counts.items():
            metrics.ACTIONS.labels(name).inc(count)
        metrics.ACTIONS_BATCH_RECORDS.observe(len(batch))
        metrics.ACTIONS_BATCH_SECONDS.observe(seconds)
        _log.info("actions.batch", lane=lane.lane, records=len(batch), milliseconds=round(seconds * 1_000, 1), **counts)

    def _measure(self, request: ActionRequest, at_us: int) -> None:
        if not request.is_test and request.replay_id is None:
            self._meter.measure(request.priority, request.received_at, at_us)

    def _idle(self, seconds: float) -> None:
        """Stay a member of the group, in every lane, without taking records."""
        deadline = time.monotonic() + seconds
        while not self._stopping.is_set() and time.monotonic() < deadline:
            self._condition.heartbeat_at = time.monotonic()
            for lane in self._lanes:
                lane.keep_alive(_IDLE_POLL_SECONDS)

    def _resume(self) -> None:
        for lane in self._lanes:
            lane.resume()

    def _observe(self) -> None:
        """Lag and the broker's presence, once a second."""
        now = time.monotonic()
        if now - self._observed_at < _OBSERVE_INTERVAL_SECONDS:
            return
        self._observed_at = now
        if now - self._database_seen_at > _PROBE_INTERVAL_SECONDS or self._condition.is_blocked("postgres"):
            self._probe_database()
        try:
            for lane in self._lanes:
                lane.observe()
        except KafkaException as error:
            self._condition.blocked("kafka", error.args[0].str())

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._condition.blocked("kafka", "no broker answers")

    def _new_producer(self) -> PolledProducer:
        ack_timeout_seconds = self._settings.actions.ack_timeout_seconds
        return PolledProducer(self._settings.kafka, client_id=CLIENT_ID, ack_timeout_seconds=ack_timeout_seconds)
