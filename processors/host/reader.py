"""Reads the partitions of one lane of one lease from the offsets the group has committed. Blocking: runs on a thread.

A consumer per lane, because what one has fetched stands in one queue: a backlog of ordinary requests in it would
stand before expedited ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from infra.errors import KafkaUnavailableError
from infra.kafka import consumer_properties
from infra.log import get_logger
from infra.settings import KafkaSettings, ProcessorSettings
from processors.host.progress import Partition

_IDLE_SECONDS = 0.05
# An answer per record would be a request per record, and the broker's time is what a small machine has least of.
_FETCH_AT_ONCE = {"fetch.wait.max.ms": 100}
_FETCH_TOGETHER = {"fetch.wait.max.ms": 50, "fetch.min.bytes": 65_536}
_BROKER_TIMEOUT_SECONDS = 20.0
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Fetched:
    """Consecutive records of one partition."""

    partition: Partition
    messages: list[Any]
    body_bytes: int


class LaneReader:
    """Fetches batches; `positions` are where it starts, by partition."""

    def __init__(
        self, kafka: KafkaSettings, settings: ProcessorSettings, partitions: Sequence[Partition], *, urgent: bool
    ) -> None:
        self.urgent = urgent
        self.positions: dict[Partition, int] = {}
        self._settings = settings
        self._consumer = Consumer(
            {
                **consumer_properties(kafka, "hookline-processors-reader", settings.group_id),
                "queued.max.messages.kbytes": 32_768,
                "queued.min.messages": 20_000,
                **(_FETCH_AT_ONCE if urgent else _FETCH_TOGETHER),
            }
        )
        self._assign(partitions)

    def read(self) -> list[Fetched]:
        """The next records; empty when there are none for a moment."""
        if not self.urgent:
            return self._group(self._consumer.consume(self._settings.batch_records_max, _IDLE_SECONDS))
        first = self._consumer.poll(_IDLE_SECONDS)  # `consume` would wait for more than the first
        if first is None:
            return []
        return self._group([first, *self._consumer.consume(self._settings.batch_records_max - 1, 0)])

    def lag(self) -> dict[Partition, int]:
        """End of each partition as the last fetch saw it; a partition never fetched is absent."""
        ends: dict[Partition, int] = {}
        for tp in self._consumer.assignment():
            _, high = self._consumer.get_watermark_offsets(tp, cached=True)
            if high >= 0:
                ends[Partition(tp.topic, tp.partition)] = high
        return ends

    def close(self) -> None:
        """Stop fetching."""
        self._consumer.close()

    def _assign(self, partitions: Sequence[Partition]) -> None:
        if not partitions:
            return
        consumer = self._consumer
        tps = [TopicPartition(partition.topic, partition.number) for partition in partitions]
        try:
            committed = consumer.committed(tps, timeout=_BROKER_TIMEOUT_SECONDS)
            for tp in committed:
                if tp.error is not None:
                    raise KafkaException(tp.error)
                low, high = consumer.get_watermark_offsets(tp, timeout=_BROKER_TIMEOUT_SECONDS)
                partition = Partition(tp.topic, tp.partition)
                if tp.offset < 0:  # never committed
                    tp.offset = low
                self._report_losses(partition, tp.offset, low, high)
                tp.offset = min(max(tp.offset, low), high)
                self.positions[partition] = tp.offset
            consumer.assign(committed)
        except KafkaException as error:
            raise KafkaUnavailableError(f"committed offsets: {error.args[0].str()}") from error

    @staticmethod
    def _report_losses(partition: Partition, position: int, low: int, high: int) -> None:
        topic, number = partition
        if position < low:
            _log.error("reader.expired_unread", topic=topic, partition=number, records=low - position)
        if position > high:
            _log.error("reader.log_shrank", topic=topic, partition=number, committed=position, end=high)

    def _group(self, messages: list[Any]) -> list[Fetched]:
        by_partition: dict[tuple[str, int], list[Any]] = {}
        for message in messages:
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF or error.retriable():
                    continue
                raise KafkaUnavailableError(f"fetch: {error.str()}")
            by_partition.setdefault((message.topic(), message.partition()), []).append(message)
        return [
            fetched
            for (topic, number), group in by_partition.items()
            for fetched in self._bounded(Partition(topic, number), group)
        ]

    def _bounded(self, partition: Partition, messages: list[Any]) -> list[Fetched]:
        """Split so that no batch holds more than the bytes of the setting (a single larger record stands alone)."""
        batches: list[Fetched] = []
        start = size = 0
        for index, message in enumerate(messages):
            length = len(message)
            if size + length > self._settings.batch_bytes_max and index > start:
                batches.append(Fetched(partition, messages[start:index], size))
                start, size = index, 0
            size += length
        batches.append(Fetched(partition, messages[start:], size))
        return batches
