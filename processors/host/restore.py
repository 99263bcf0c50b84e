"""Table recovery: a partition's changelog read from where its database ends up to the changelog's end, in batches."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rocksdict
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from infra.errors import KafkaUnavailableError
from infra.kafka import consumer_properties
from infra.settings import KafkaSettings
from processors.host.table import OFFSET_KEY, PartitionTable, bind_incarnation, persisted_offset

_READ_RECORDS = 10_000
_READ_SECONDS = 0.5
_SILENCE_SECONDS_MAX = 60.0
_WATERMARK_TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Restored:
    """`complete` is false when the lease ended first; then nothing may be handed out on these tables."""

    records: int
    seconds: float
    complete: bool


class Changelog:
    """The changelog topic of one table and the Faust store it restores."""

    def __init__(self, settings: KafkaSettings, topic: str, incarnation: bytes, store: Any) -> None:
        self._settings = settings
        self._topic = topic
        self._incarnation = incarnation
        self._store = store
        self._ends: dict[int, int] = {}

    def table(self, partition: int) -> PartitionTable:
        """A fresh view of a restored partition."""
        return PartitionTable(self._store, partition, changelog_end=self._ends[partition])

    def restore(self, partitions: list[int], cancelled: threading.Event) -> Restored:
        """Bring the databases of `partitions` up to the changelog's end of now. Blocks.

        Raises KafkaUnavailableError when the broker gives nothing for a minute although records are due.
        """
        started = time.monotonic()
        consumer = Consumer(self._properties())
        try:
            ends, databases = self._assign(consumer, partitions)
            records = self._read_to(consumer, ends, databases, cancelled)
        except KafkaException as error:
            raise KafkaUnavailableError(f"restore {self._topic}: {error.args[0].str()}") from error
        finally:
            consumer.close()
        return Restored(records, time.monotonic() - started, not cancelled.is_set())

    def _properties(self) -> dict[str, Any]:
        return {
            **consumer_properties(self._settings, "hookline-restore", "hookline-restore"),
            "enable.partition.eof": True,
            "queued.min.messages": 200_000,
            "fetch.wait.max.ms": 50,
        }

    def _assign(self, consumer: Consumer, partitions: list[int]) -> tuple[dict[int, int], dict[int, Any]]:
        ends: dict[int, int] = {}
        databases: dict[int, Any] = {}
        wanted: list[TopicPartition] = []
        for partition in partitions:
            low, high = consumer.get_watermark_offsets(
                TopicPartition(self._topic, partition), timeout=_WATERMARK_TIMEOUT_SECONDS
            )
            databases[partition] = bind_incarnation(self._store, partition, self._incarnation, high)
            self._ends[partition] = high
            held = persisted_offset(databases[partition])
            # Start at the first offset that exists: compaction and retention remove the head of a changelog.
            start = low if held is None else max(low, held + 1)
            if start < high:
                ends[partition] = high
                wanted.append(TopicPartition(self._topic, partition, start))
        consumer.assign(wanted)
        return ends, databases

    def _read_to(
        self, consumer: Consumer, ends: dict[int, int], databases: Mapping[int, Any], cancelled: threading.Event
    ) -> int:
        remaining = dict(ends)
        records = 0
        last_heard = time.monotonic()
        while remaining and not cancelled.is_set():
            messages = consumer.consume(_READ_RECORDS, _READ_SECONDS)
            if messages:
                last_heard = time.monotonic()
                records += _apply(messages, databases, remaining)
            elif time.monotonic() - last_heard > _SILENCE_SECONDS_MAX:
                raise KafkaUnavailableError(f"restore {self._topic}: no records for {_SILENCE_SECONDS_MAX:.0f} s")
        return records


def _apply(messages: list[Any], databases: Mapping[int, Any], remaining: dict[int, int]) -> int:
    """Write `messages` to their databases; drops partitions that reached their end from `remaining`."""
    batches: dict[int, rocksdict.WriteBatch] = {}
    last_offsets: dict[int, int] = {}
    for message in messages:
        partition, error = message.partition(), message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                remaining.pop(partition, None)
                continue
            raise KafkaException(error)
        batch = batches.get(partition)
        if batch is None:
            batch = batches[partition] = rocksdict.WriteBatch(raw_mode=True)
        value = message.value()
        if value is None:
            batch.delete(message.key())
        else:
            batch.put(message.key(), value)
        last_offsets[partition] = message.offset()
    for partition, batch in batches.items():
        batch.put(OFFSET_KEY, str(last_offsets[partition]).encode())
        databases[partition].write(batch)
        if partition in remaining and last_offsets[partition] >= remaining[partition] - 1:
            del remaining[partition]
    return sum(1 for message in messages if message.error() is None)
