"""One lane of the action sink: a member of the group that reads one topic, with its offsets and its lag.

Two members, because what one consumer has fetched stands in one queue: behind a backlog of ordinary actions an
expedited one would wait there. Everything here runs on the thread of the loop; group callbacks only inside `take` and
`keep_alive`.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra import metrics
from infra.clock import now_us
from infra.kafka import consumer_properties
from infra.log import get_logger
from infra.settings import Settings
from infra.topics import ACTIONS, EXPEDITED_ACTIONS
from sinks.actions.condition import Condition

# As many bytes as a batch of some size, so that the broker is not asked for every record by itself.
_FETCH_BYTES_MIN = 65_536
# A member learns by its heartbeat that another one joins, which waits for that; each process has two that join.
_HEARTBEAT_MILLISECONDS = 500
_WATERMARK_TIMEOUT_SECONDS = 2.0

_log = get_logger(__name__)


class Lane(StrEnum):
    """Which actions: those of webhooks with priority 2 and 3, or the others."""

    EXPEDITED = "expedited"
    ORDINARY = "ordinary"


TOPICS = {Lane.EXPEDITED: EXPEDITED_ACTIONS, Lane.ORDINARY: ACTIONS}


def lanes_of(settings: Settings) -> tuple[Lane, ...]:
    """What this process reads, the more urgent first."""
    return tuple(Lane) if settings.actions.lane == "all" else (Lane(settings.actions.lane),)


class LaneReader:
    """Reads `lane` from where the group stands. Raises KafkaException when the consumer itself is broken."""

    def __init__(self, settings: Settings, lane: Lane, condition: Condition, on_error: Callable[[KafkaError], None]):
        self.lane = lane
        self.topic = TOPICS[lane]
        self._condition = condition
        self._carried: list[Message] = []
        self._done: dict[int, int] = {}
        self._starts: dict[int, int] = {}
        self._is_paused = False
        properties = consumer_properties(settings.kafka, f"hookline-actions-{lane}", settings.actions.group_id) | {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": int(settings.actions.session_timeout_seconds * 1_000),
            "heartbeat.interval.ms": _HEARTBEAT_MILLISECONDS,
            "error_cb": on_error,
        }
        if lane is Lane.ORDINARY:
            properties["fetch.min.bytes"] = _FETCH_BYTES_MIN
            properties["fetch.wait.max.ms"] = settings.actions.batch_wait_milliseconds
        self._consumer = Consumer(properties)
        self._consumer.subscribe([self.topic], on_assign=self._on_assign, on_revoke=self._on_revoke)

    def take(self, records_max: int, wait_seconds: float) -> list[Message]:
        """The next records, at most so many, waiting at most so long for them."""
        messages, self._carried = self._carried, []
        if len(messages) < records_max:
            found = self._consumer.consume(records_max - len(messages), timeout=wait_seconds)
            messages += [message for message in found if self._is_record(message)]
        return messages

    def keep_alive(self, seconds: float) -> None:
        """Stay a member of the group without taking records, until `resume`."""
        if not self._is_paused:
            self._is_paused = True
            self._consumer.pause(self._consumer.assignment())
        message = self._consumer.poll(seconds)
        if message is not None and self._is_record(message):
            self._carried.append(message)

    def resume(self) -> None:
        """Take records again."""
        if self._is_paused:
            self._is_paused = False
            self._consumer.resume(self._consumer.assignment())

    def owned(self) -> set[int]:
        """The partitions that are this member's; forgets records of others."""
        owned = {partition.partition for partition in self._consumer.assignment()}
        self._carried = [message for message in self._carried if message.partition() in owned]
        return owned

    def finish(self, messages: Iterable[Message]) -> None:
        """Note that `messages` are done, and commit."""
        for message in messages:
            self._done[message.partition() or 0] = (message.offset() or 0) + 1
        self.commit()

    def commit(self) -> None:
        """Commit what is done. A refusal is no loss: the next commit covers it, or another member repeats the batch."""
        owned = {partition.partition for partition in self._consumer.assignment()}
        self._done = {number: offset for number, offset in self._done.items() if number in owned}
        if not self._done:
            return
        offsets = [TopicPartition(self.topic, number, offset) for number, offset in self._done.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            metrics.ACTIONS_RETRIES.labels("commit").inc()
            _log.warning("actions.commit.refused", topic=self.topic, reason=error.args[0].str())
            return
        self._done.clear()
        self._condition.last_commit_at_us = now_us()
        metrics.ACTIONS_LAST_COMMIT.set(self._condition.last_commit_at_us / 1e6)

    def observe(self) -> None:
        """Put the lane's partitions and lag into the condition; asks the broker only when it did not answer before.

        Watermarks come from what was fetched: asking for them would wait behind the fetch on the same connection.
        """
        self.commit()
        partitions = self._consumer.assignment()
        self._condition.owned[self.lane] = frozenset((self.topic, partition.partition) for partition in partitions)
        if partitions and self._condition.is_blocked("kafka"):
            self._consumer.get_watermark_offsets(partitions[0], timeout=_WATERMARK_TIMEOUT_SECONDS)
            self._condition.freed("kafka")
        lags = [self._lag_of(position) for position in self._consumer.position(partitions)]
        lag = None if None in lags else sum(lag for lag in lags if lag is not None)
        self._condition.lag_records[self.lane] = lag if self.lane in self._condition.joined else None
        metrics.ACTIONS_LAG_RECORDS.labels(self.topic).set(lag or 0)

    def close(self) -> None:
        """Commit what is done and leave the group."""
        self.commit()
        self._consumer.close()

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.fatal():
            raise KafkaException(error)
        self._condition.blocked("kafka", error.str())
        return False

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

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # A partition that was lost while it was paused comes back paused, and would stay so. First, as a call that the
        # start of its fetching overtakes is dropped by the client (confluentinc/librdkafka#5591).
        consumer.resume(partitions)
        consumer.incremental_assign(partitions)
        if self._is_paused:
            consumer.pause(partitions)
        self._joined(partitions, "assigned")

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self.commit()
        self._joined(partitions, "revoked")

    def _joined(self, partitions: Sequence[TopicPartition], change: str) -> None:
        metrics.ACTIONS_REBALANCES.inc()
        self._starts.clear()
        self._condition.joined.add(self.lane)
        numbers = [partition.partition for partition in partitions]
        _log.info("actions.rebalanced", lane=self.lane, change=change, partitions=numbers)
