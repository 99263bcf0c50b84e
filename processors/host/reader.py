"""Reads the partitions of one lease from the offsets the group has committed. Blocking: runs on a thread.

Two consumers: the urgent lanes (expedited requests, released keys) are always asked first, so that a backlog of
ordinary requests in the local queue never stands before them.
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
        self,
        kafka: KafkaSettings,
        settings: ProcessorSettings,
        partitions: Sequence[Partition],
        urgent_topics: frozenset[str],
    ) -> None:
        self._settings = settings
        self._consumers: list[Consumer] = []
        properties = {
            **consumer_properties(kafka, "hookline-processors-reader", settings.group_id),
            "queued.max.messages.kbytes": 32_768,
            "queued.min.messages": 20_000,
        }
        lanes = (
            [partition for partition in partitions if partition.topic in urgent_topics],
            [partition for partition in partitions if partition.topic not in urgent_topics],
        )
        self.positions: dict[Partition, int] = {}
        for lane, fetching in zip(lanes, (_FETCH_AT_ONCE, _FETCH_TOGETHER), strict=True):
            consumer = Consumer(properties | fetching)
            self._consumers.append(consumer)
            self._assign(consumer, lane)

    def read(self) -> list[Fetched]:
        """The next records, urgent ones first; empty when there are none for a moment."""
        for consumer, wait_seconds in zip(self._consumers, (0.0, _IDLE_SECONDS), strict=True):
            messages = consumer.consume(self._settings.batch_records_max, wait_seconds)
            if messages:
                return self._group(messages)
        return []

    def lag(self) -> dict[Partition, int]:
        """End of each partition as the last fetch saw it; a partition never fetched is absent."""
        ends: dict[Partition, int] = {}
        for consumer in self._consumers:
            for tp in consumer.assignment():
                _, high = consumer.get_watermark_offsets(tp, cached=True)
                if high >= 0:
                    ends[Partition(tp.topic, tp.partition)] = high
        return ends

    def close(self) -> None:
        """Stop fetching."""
        for consumer in self._consumers:
            consumer.close()

    def _assign(self, consumer: Consumer, lane: Sequence[Partition]) -> None:
        if not lane:
            return
        tps = [TopicPartition(partition.topic, partition.number) for partition in lane]
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
