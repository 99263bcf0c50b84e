"""The one reader of webhooks.delivery.recorded.v1 that the listeners of a process share, while there are any."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from pydantic import ValidationError

from infra.errors import KafkaUnavailableError
from infra.kafka import admin_client, consumer_properties
from infra.log import get_logger
from infra.settings import KafkaSettings
from infra.topics import RECORDED, topic_incarnations
from management.delivery_stream.listeners import Change, Listener
from schemas.records import DeliveryRecord

_CLIENT_ID = "hookline-management-stream"
_CONSUME_RECORDS_MAX = 500
_CONSUME_SECONDS = 0.1
_ANSWER_SECONDS_MAX = 5.0
_RETRY_SECONDS = 0.5
_IDLE_SECONDS_MAX = 30.0
_QUEUED_KIBIBYTES_MAX = 16_384
_log = get_logger(__name__)


class DeliveryTail:
    """Methods but `start` and `stop` are for any thread."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._listeners: list[Listener] = []
        self._changed = threading.Condition()
        self._reached: dict[int, int] = {}
        self._incarnation = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._tail_forever, name="delivery-stream", daemon=True)

    def start(self) -> None:
        """Returns at once; nothing is read before the first listener."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """End every stream and let the connection go."""
        self.release()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def release(self) -> None:
        """End every stream, so that the server can end."""
        self._stopping.set()
        with self._changed:
            for listener in self._listeners:
                listener.end("stopping")
            self._changed.notify_all()

    def attach(self, make: Callable[[str, dict[int, int]], Listener]) -> tuple[Listener, dict[int, int]]:
        """A listener, made from the topic's incarnation and the offsets from which on it is offered records.

        Raises KafkaUnavailableError.
        """
        with self._changed:
            if not self._reached:
                self._incarnation, self._reached = self._ends()
            joined = dict(self._reached)
            listener = make(self._incarnation, joined)
            self._listeners.append(listener)
            self._changed.notify_all()
        return listener, joined

    def detach(self, listener: Listener) -> None:
        """Nothing more is offered; twice is harmless."""
        with self._changed:
            if listener in self._listeners:
                self._listeners.remove(listener)

    def catch_up(self, listener: Listener) -> None:
        """Let an idle listener's place move on, so that it does not grow old."""
        with self._changed:
            listener.pass_over(self._reached)

    def kept(self) -> dict[int, tuple[int, int]]:
        """The first and the next offset of each partition. Raises KafkaUnavailableError."""
        consumer = Consumer(_properties(self._settings))
        try:
            return _watermarks(consumer)
        except KafkaException as error:
            raise KafkaUnavailableError(f"{RECORDED}: {error.args[0].str()}") from error
        finally:
            consumer.close()

    def _ends(self) -> tuple[str, dict[int, int]]:
        incarnation = topic_incarnations(admin_client(self._settings, _CLIENT_ID), [RECORDED])[RECORDED]
        return incarnation, {partition: end for partition, (_, end) in self.kept().items()}

    def _tail_forever(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._listeners or self._stopping.is_set())
            if self._stopping.is_set():
                return
            try:
                self._tail_until_idle()
            except KafkaException as error:
                _log.warning("stream.reconnecting", error=error.args[0].str())
                if error.args[0].code() == KafkaError._AUTO_OFFSET_RESET:
                    self._lose_place()
                self._stopping.wait(_RETRY_SECONDS)

    def _tail_until_idle(self) -> None:
        consumer = Consumer(_properties(self._settings))
        try:
            consumer.assign([TopicPartition(RECORDED, number, at) for number, at in self._reached.items()])
            idle_since = time.monotonic()
            while not self._stopping.is_set():
                messages = consumer.consume(_CONSUME_RECORDS_MAX, _CONSUME_SECONDS)
                with self._changed:
                    for message in messages:
                        self._pass_on(message)
                    if self._listeners:
                        idle_since = time.monotonic()
                    elif time.monotonic() - idle_since >= _IDLE_SECONDS_MAX:
                        self._reached = {}
                        return
        finally:
            consumer.close()

    def _pass_on(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            raise KafkaException(error)
        partition, offset = message.partition(), message.offset()
        self._reached[partition] = offset + 1
        record = record_of(message) if self._listeners else None
        if record is None:
            return
        for listener in self._listeners:
            if offset >= listener.seen.get(partition, 0) and listener.wants(record):
                listener.offer(Change(partition, offset, record))

    def _lose_place(self) -> None:
        """Records were deleted before they were read: who resumes is told which."""
        with self._changed:
            self._reached = {}
            for listener in self._listeners:
                listener.end("behind")
            self._listeners.clear()


class PastReader:
    """What lies between a listener's place and the tail's; not for two threads."""

    def __init__(self, settings: KafkaSettings, starts: dict[int, int], ends: dict[int, int]) -> None:
        self._ends = {partition: end for partition, end in ends.items() if starts.get(partition, 0) < end}
        self._consumer = Consumer(_properties(settings) | {"enable.partition.eof": True})
        self._consumer.assign([TopicPartition(RECORDED, number, starts[number]) for number in self._ends])

    @property
    def finished(self) -> bool:
        """Whether everything was read."""
        return not self._ends

    def read(self) -> list[Change]:
        """The next changes, waiting a moment for them. Raises KafkaUnavailableError."""
        changes = []
        for message in self._consumer.consume(_CONSUME_RECORDS_MAX, _CONSUME_SECONDS):
            error, partition = message.error(), message.partition()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                self._ends.pop(partition, None)
            elif error is not None:
                raise KafkaUnavailableError(f"{RECORDED}: {error.str()}")
            elif partition in self._ends:
                if message.offset() < self._ends[partition] and (record := record_of(message)) is not None:
                    changes.append(Change(partition, message.offset(), record))
                if message.offset() + 1 >= self._ends[partition]:
                    del self._ends[partition]
        return changes

    def close(self) -> None:
        """Let the connection go."""
        self._consumer.close()


def record_of(message: Message) -> DeliveryRecord | None:
    """None for one that does not keep its contract."""
    try:
        return DeliveryRecord.model_validate_json(message.value() or b"")
    except ValidationError as problem:
        _log.error("stream.record.malformed", offset=message.offset(), problems=problem.error_count())
        return None


def _properties(settings: KafkaSettings) -> dict[str, Any]:
    return consumer_properties(settings, _CLIENT_ID, _CLIENT_ID) | {
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 100,
        "queued.max.messages.kbytes": _QUEUED_KIBIBYTES_MAX,
    }


def _watermarks(consumer: Consumer) -> dict[int, tuple[int, int]]:
    topic = consumer.list_topics(RECORDED, timeout=_ANSWER_SECONDS_MAX).topics[RECORDED]
    if topic.error is not None:
        raise KafkaException(topic.error)
    return dict(_each_watermark(consumer, sorted(topic.partitions)))


def _each_watermark(consumer: Consumer, partitions: list[int]) -> Iterator[tuple[int, tuple[int, int]]]:
    for number in partitions:
        yield number, consumer.get_watermark_offsets(TopicPartition(RECORDED, number), timeout=_ANSWER_SECONDS_MAX)
