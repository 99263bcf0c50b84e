"""What becomes of tests: one thread that reads webhooks.delivery.recorded.v1 while somebody waits for an outcome."""

import threading
import time
from concurrent.futures import Future

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from pydantic import ValidationError

from infra.errors import KafkaUnavailableError
from infra.kafka import consumer_properties
from infra.log import get_logger
from infra.settings import KafkaSettings
from infra.topics import RECORDED
from schemas.records import DeliveryRecord, DispatchStatus

_CLIENT_ID = "hookline-management-outcomes"
_CONSUME_RECORDS_MAX = 500
_CONSUME_SECONDS = 0.1
_ANSWER_SECONDS_MAX = 5.0
_RETRY_SECONDS = 0.5
#: The next test finds the topic assigned already when it comes within this time.
_IDLE_SECONDS_MAX = 30.0
_log = get_logger(__name__)


class OutcomeWatcher:
    """Whoever is about to send a request asks first with `expect`, then nothing recorded later is missed.

    The topic is read by assignment, from its end at the moment of the first question on. A client that breaks is
    replaced and goes on where it was.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._waiting: dict[str, Future[DeliveryRecord]] = {}
        self._changed = threading.Condition()
        self._positions: dict[int, int] = {}
        self._is_reading = False
        self._stopping = threading.Event()
        self._fault = "no answer in time"
        self._thread = threading.Thread(target=self._watch_forever, name="test-outcomes", daemon=True)

    def start(self) -> None:
        """Returns at once; nothing is read before the first `expect`."""
        self._thread.start()

    def release(self) -> None:
        """Whoever waits gets nothing and need not wait any longer; nobody begins to."""
        self._stopping.set()
        with self._changed:
            for outcome in self._waiting.values():
                outcome.cancel()
            self._changed.notify_all()

    def stop(self, timeout_seconds: float) -> None:
        """Let the connection go."""
        self.release()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)

    def expect(self, delivery_id: str) -> Future[DeliveryRecord]:
        """The outcome of a request that is not sent yet; `forget` it afterwards. Raises KafkaUnavailableError."""
        outcome: Future[DeliveryRecord] = Future()
        with self._changed:
            self._waiting[delivery_id] = outcome
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_reading or self._stopping.is_set(), _ANSWER_SECONDS_MAX)
            if self._is_reading and not self._stopping.is_set():
                return outcome
            del self._waiting[delivery_id]
        raise KafkaUnavailableError(f"outcomes cannot be read: {self._fault}")

    def forget(self, delivery_id: str) -> None:
        """Stop waiting."""
        with self._changed:
            self._waiting.pop(delivery_id, None)

    def _watch_forever(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping.is_set())
            if self._stopping.is_set():
                return
            try:
                self._watch_until_idle()
            except KafkaException as error:
                self._fault = error.args[0].str()
                _log.warning("tests.outcomes.reconnecting", error=self._fault)
                self._stopping.wait(_RETRY_SECONDS)

    def _watch_until_idle(self) -> None:
        consumer = Consumer(
            consumer_properties(self._settings, _CLIENT_ID, _CLIENT_ID)
            | {"auto.offset.reset": "latest", "fetch.wait.max.ms": 100}
        )
        try:
            if not self._positions:
                self._positions = _ends(consumer)
            consumer.assign([TopicPartition(RECORDED, number, at) for number, at in self._positions.items()])
            self._note_reading(is_reading=True)
            idle_since = time.monotonic()
            while not self._stopping.is_set():
                for message in consumer.consume(_CONSUME_RECORDS_MAX, _CONSUME_SECONDS):
                    self._take(message)
                if self._waiting:
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since >= _IDLE_SECONDS_MAX and self._rest():
                    return
        finally:
            self._note_reading(is_reading=False)
            consumer.close()

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            raise KafkaException(error)
        self._positions[message.partition()] = message.offset() + 1
        outcome = self._waiting.get((message.key() or b"").decode("utf-8", "replace"))
        if outcome is None or outcome.done():
            return
        try:
            record = DeliveryRecord.model_validate_json(message.value() or b"")
        except ValidationError as problem:
            _log.error("tests.outcome.malformed", offset=message.offset(), problems=problem.error_count())
            return
        if record.dispatch_status is not DispatchStatus.PENDING and outcome.set_running_or_notify_cancel():
            outcome.set_result(record)

    def _note_reading(self, *, is_reading: bool) -> None:
        with self._changed:
            self._is_reading = is_reading
            self._changed.notify_all()

    def _rest(self) -> bool:
        """Forget where the topic was read, unless somebody came meanwhile."""
        with self._changed:
            if self._waiting:
                return False
            self._is_reading = False
            self._positions = {}
            return True


def _ends(consumer: Consumer) -> dict[int, int]:
    """Where each partition ends now. Raises KafkaException."""
    topic = consumer.list_topics(RECORDED, timeout=_ANSWER_SECONDS_MAX).topics[RECORDED]
    if topic.error is not None:
        raise KafkaException(topic.error)
    return {
        number: consumer.get_watermark_offsets(TopicPartition(RECORDED, number), timeout=_ANSWER_SECONDS_MAX)[1]
        for number in topic.partitions
    }
