"""Kafka clients: one polled producer per process, outboxes that end with all acknowledgements or an error, properties.

`murmur2_random` everywhere: it is where aiokafka and the Java clients put a key, and a dedupe table misses silently
when two producers disagree.
"""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from infra.errors import KafkaUnavailableError
from infra.log import get_logger
from infra.settings import KafkaSettings

_POLL_SECONDS = 0.1
_QUEUE_FULL_WAIT_SECONDS = 0.005

#: About as long as a broker may be silent before its cluster gives its place to another (`broker.session.timeout.ms`).
#: librdkafka 2.16 can lose a commit that waits through that: it is never answered, and its consumer never joins again
#: (infra/standstill.py ends the process then). With the client's own 60 s that happened far more often.
_CONSUMER_ANSWER_MILLISECONDS = 10_000

Headers = Sequence[tuple[str, bytes]]
_log = get_logger(__name__)


def client_properties(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Properties every client shares."""
    return {
        "bootstrap.servers": settings.bootstrap,
        "client.id": client_id,
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 2_000,
        "log_level": 2,  # a broker that is away shows in health and metrics, not as a line per attempt
        **settings.properties,
    }


def producer_properties(settings: KafkaSettings, client_id: str, *, ack_timeout_seconds: float) -> dict[str, Any]:
    """Properties of a producer whose acknowledgement means: written by every in-sync replica, once, in order."""
    return {
        **client_properties(settings, client_id),
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": 2,
        "delivery.timeout.ms": int(ack_timeout_seconds * 1_000),
        "queue.buffering.max.messages": 500_000,
        "queue.buffering.max.kbytes": 262_144,
        "message.max.bytes": 17_825_792,
    }


def consumer_properties(settings: KafkaSettings, client_id: str, group_id: str) -> dict[str, Any]:
    """Properties of a consumer that commits by itself, after the work."""
    return {
        "socket.timeout.ms": _CONSUMER_ANSWER_MILLISECONDS,
        **client_properties(settings, client_id),
        "group.id": group_id,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
        "fetch.message.max.bytes": 17_825_792,
    }


def is_fatal(error: KafkaError) -> bool:
    """Whether a producer can never send again. What `produce` raises after that (_FATAL) does not call itself fatal."""
    return bool(error.fatal()) or error.code() == KafkaError._FATAL


def flush(producer: Producer, timeout_seconds: float) -> int:
    """As `Producer.flush`: how many messages are left. Raises KafkaUnavailableError after a fatal error."""
    try:
        return int(producer.flush(timeout_seconds))
    except BaseException:
        raise
    except:  # noqa: E722  # what flush raises for a fatal error is no exception, and nothing else catches it
        raise KafkaUnavailableError(f"flush: {sys.exc_info()[1]}") from None


class PolledProducer:
    """A librdkafka producer and the one thread that polls it. Delivery callbacks run on that thread."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        client_id: str,
        ack_timeout_seconds: float,
        properties: dict[str, Any] | None = None,
    ) -> None:
        self._fatal: str | None = None
        merged = producer_properties(settings, client_id, ack_timeout_seconds=ack_timeout_seconds)
        merged.update(properties or {})
        self._producer = Producer(merged)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll_forever, name=f"{client_id}-poll", daemon=True)
        self._thread.start()

    @property
    def fatal_error(self) -> str | None:
        """Why this producer can never send again (a new one is needed), or None."""
        return self._fatal

    def produce(self, topic: str, **message: Any) -> None:
        """Queue one message (key, value, headers, partition, timestamp, on_delivery as confluent-kafka takes them).

        Waits while the local queue is full; the wait is bounded by the delivery time-out that drains it.
        """
        while True:
            try:
                self._producer.produce(topic, **message)
                return
            except BufferError:
                time.sleep(_QUEUE_FULL_WAIT_SECONDS)
            except KafkaException as error:
                self._note(error.args[0])
                raise KafkaUnavailableError(f"produce to {topic}: {error.args[0].str()}") from error

    def close(self, timeout_seconds: float) -> int:
        """Flush for at most `timeout_seconds`, stop polling; returns how many messages were left unacknowledged."""
        try:
            left = flush(self._producer, timeout_seconds)
        except KafkaUnavailableError:
            left = len(self._producer)
        self._stopping.set()
        self._thread.join(timeout=2 * _POLL_SECONDS + 1)
        return left

    def _poll_forever(self) -> None:
        """confluent-kafka keeps fatal errors from `error_cb` and raises them here."""
        while not self._stopping.is_set():
            try:
                self._producer.poll(_POLL_SECONDS)
            except KafkaException as error:
                self._note(error.args[0])
                self._producer.purge()  # so that every message is reported, and nobody waits for one
                self._stopping.wait(_POLL_SECONDS)

    def _note(self, error: KafkaError) -> None:
        if is_fatal(error) and self._fatal is None:
            self._fatal = str(error.str())
            _log.error("kafka.producer.fatal", error=self._fatal)


class Outbox:
    """Everything one batch produces; `wait` ends when all of it is acknowledged.

    `send` is called from one thread; reports arrive on the producer's poll thread. No lock: `_sent` has one writer,
    `_reported` has another, and the last report is seen by whichever comes second of it and `wait`.
    """

    def __init__(self, producer: PolledProducer) -> None:
        self._producer = producer
        self._sent = 0
        self._reported = 0
        self._sealed = False
        self._error: str | None = None
        self._finished = threading.Event()

    def send(self, topic: str, *, note: Callable[[Message], None] | None = None, **message: Any) -> None:
        """Queue one message; its report counts towards `wait`. `note` is called with the message once it is written, on
        the producer's thread. Raises as `produce`: then `wait` raises as well, so that nothing is taken for written."""
        on_report = self._on_report if note is None else partial(self._on_noted_report, note)
        try:
            self._producer.produce(topic, on_delivery=on_report, **message)
        except Exception as error:
            self._error = f"produce to {topic}: {error}"
            raise
        self._sent += 1

    def wait(self, timeout_seconds: float) -> None:
        """Block until everything is acknowledged. Raises KafkaUnavailableError when something is not."""
        self._sealed = True
        if self._reported < self._sent and not self._finished.wait(timeout_seconds):
            raise KafkaUnavailableError(f"{self._sent - self._reported} messages not acknowledged in time")
        if self._error is not None:
            raise KafkaUnavailableError(self._error)

    def _on_noted_report(self, note: Callable[[Message], None], error: Any, message: Message) -> None:
        if error is None:
            note(message)
        self._on_report(error, message)

    def _on_report(self, error: Any, message: Message) -> None:
        if error is not None:
            self._error = f"produce to {message.topic()}: {error.str()}"
        self._reported += 1
        if self._sealed and self._reported == self._sent:
            self._finished.set()


def admin_client(settings: KafkaSettings, client_id: str) -> AdminClient:
    """An admin client with the shared properties."""
    return AdminClient(client_properties(settings, client_id))


def offsets_from(
    consumer: Consumer, partitions: Sequence[tuple[str, int]], at_us: int, *, timeout_seconds: float
) -> dict[tuple[str, int], int]:
    """By partition the first offset whose record is of this time or later; the end where there is none.

    Each question to the broker may take `timeout_seconds`. Raises KafkaException.
    """
    # Ends first: behind one that is asked for later might stand what was not there when times were looked up.
    ends = {
        one: int(consumer.get_watermark_offsets(TopicPartition(*one), timeout=timeout_seconds)[1]) for one in partitions
    }
    wanted = [TopicPartition(*one, at_us // 1_000) for one in partitions]
    found: dict[tuple[str, int], int] = {}
    for start in consumer.offsets_for_times(wanted, timeout=timeout_seconds):
        if start.error is not None:
            raise KafkaException(start.error)
        key = (start.topic, start.partition)
        found[key] = ends[key] if start.offset in (OFFSET_END, -1) else start.offset
    return found
