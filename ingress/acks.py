"""The bridge to Kafka: produce, and learn of every acknowledgement on the event loop's own thread.

librdkafka is polled from the loop, once a millisecond while something is in flight. A thread of its own would have
to win the interpreter lock from the busy loop for every handful of reports, which costs more than it gives.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from infra import metrics
from infra.kafka import is_fatal, producer_properties
from infra.log import get_logger
from infra.settings import IngressSettings, KafkaSettings
from infra.topics import RECEIVED
from ingress.core.attested import Account, AttestedTally
from schemas.headers import RawHeaders

_POLL_SECONDS = 0.001
_PROBE_SECONDS = 0.5
_PROBE_TIMEOUT_SECONDS = 2.0
# Reports come before our own deadline where the broker can be heard; the deadline itself does not depend on them.
_DELIVERY_SHARE = 0.9
_UNAWAITED_MAX = 1_000
_PURGE_POLLS_MAX = 20
_PURGE_POLL_SECONDS = 0.05
#: Whether a record was acknowledged.
Told = Callable[[bool], None]
_log = get_logger(__name__)


class Answerable(Protocol):
    """Whoever waits for an acknowledgement."""

    def acknowledged(self, pending: "Pending") -> None: ...

    def unacknowledged(self, pending: "Pending") -> None: ...


class Pending:
    """One produced request. `report` is librdkafka's callback; after `answered` nothing is told any more.

    `accepted` is the end of the answer to a sender that takes no delivery id (`answers.with_content`).
    """

    __slots__ = (
        "_bridge",
        "_waiter",
        "accepted",
        "account",
        "answered",
        "body_bytes",
        "deadline",
        "delivery_id",
        "invalid_json",
    )

    def __init__(
        self,
        waiter: Answerable,
        account: Account,
        delivery_id: bytes,
        body_bytes: int,
        *,
        invalid_json: bool,
        accepted: bytes | None = None,
    ) -> None:
        self._waiter = waiter
        self.account = account
        self.delivery_id = delivery_id
        self.body_bytes = body_bytes
        self.invalid_json = invalid_json
        self.accepted = accepted
        self.answered = False
        self.deadline = 0.0

    def bind(self, bridge: "AckBridge", deadline: float) -> None:
        self._bridge = bridge
        self.deadline = deadline

    def report(self, error: KafkaError | None, message: Message) -> None:
        bridge = self._bridge
        bridge.in_flight_requests -= 1
        bridge.in_flight_bytes -= self.body_bytes
        bridge.waiting.pop(self, None)
        if error is None:
            bridge.away = None
            bridge.attested.note(self, message.partition(), message.offset())
            if not self.answered:
                self.answered = True
                self._waiter.acknowledged(self)
        else:
            bridge.produce_errors += 1
            bridge.away = f"broker: {error.str()}"
            self.give_up()

    def give_up(self) -> None:
        """No acknowledgement came in time: tell the waiter, once."""
        if not self.answered:
            self.answered = True
            self._waiter.unacknowledged(self)


class AckBridge:
    """One producer, bounded by requests and bytes in flight. All methods belong to the event loop's thread.

    `away` says why the broker is thought unreachable (None: it is not): then only a few requests wait for it.
    """

    def __init__(self, kafka: KafkaSettings, ingress: IngressSettings, *, client_id: str) -> None:
        self._kafka = kafka
        self._ingress = ingress
        self._client_id = client_id
        self._loop = asyncio.get_running_loop()
        self.in_flight_requests = 0
        self.in_flight_bytes = 0
        self.produce_errors = 0
        self.unawaited = 0
        self.waiting: dict[Pending, None] = {}
        self.attested = AttestedTally()
        self.away: str | None = "broker: not reached yet"
        self._fatal: str | None = None
        self._pumping = False
        self._probing = False
        self._next_probe_at = 0.0
        self._producer = self._new_producer()

    def submit(
        self, pending: Pending, topic: str, *, key: bytes, value: bytes, headers: RawHeaders, at_ms: int
    ) -> bool:
        """Hand one request to the producer. False when it cannot be taken now: nothing was produced."""
        bounds = self._ingress
        in_flight = self.in_flight_requests
        if (
            in_flight >= bounds.in_flight_requests_max
            or self.in_flight_bytes + len(value) > bounds.in_flight_bytes_max
            or (self.away is not None and in_flight >= bounds.probe_requests_max)
            or self._fatal is not None
        ):
            return False
        try:
            self._producer.produce(topic, value, key, -1, pending.report, None, at_ms, headers)
        except BufferError:
            return False
        except KafkaException as error:
            self._note(error.args[0])
            return False
        pending.bind(self, self._loop.time() + bounds.ack_timeout_seconds)
        self.in_flight_requests = in_flight + 1
        self.in_flight_bytes += pending.body_bytes
        self.waiting[pending] = None
        if not self._pumping:
            self._pumping = True
            self._loop.call_later(_POLL_SECONDS, self._pump)
        return True

    def send_unawaited(self, topic: str, key: bytes, value: bytes, told: Told | None = None) -> bool:
        """Produce something that no answer waits for. False when it was not taken; `told` hears what became of it."""
        if self.away is not None or self._fatal is not None or self.unawaited >= _UNAWAITED_MAX:
            return False
        try:
            self._producer.produce(topic, value, key, on_delivery=partial(self._on_unawaited, told))
        except (BufferError, KafkaException):
            return False
        self.unawaited += 1
        return True

    def tick(self) -> None:
        """Serve callbacks, expire what waited too long, replace a broken producer, look for a broker that was away."""
        self._poll(self._producer)
        now = self._loop.time()
        for pending in list(self.waiting):
            if pending.deadline > now:
                break
            del self.waiting[pending]
            self.away = "broker: no acknowledgement in time"
            pending.give_up()
        if self._fatal is not None:
            self._replace_producer()
        if self.away is not None and not self._probing and now >= self._next_probe_at:
            self._probing = True
            self._loop.run_in_executor(None, self._probe, self._producer).add_done_callback(self._on_probed)

    async def close(self, timeout_seconds: float) -> int:
        """Wait for what is in flight; returns how many messages were left unacknowledged."""
        until = self._loop.time() + timeout_seconds
        while len(self._producer) and self._loop.time() < until:
            await asyncio.sleep(_POLL_SECONDS)
            self._poll(self._producer)
        for pending in list(self.waiting):
            pending.give_up()
        return len(self._producer)

    def _poll(self, producer: Producer, timeout_seconds: float = 0.0) -> None:
        """Run the callbacks that are due. A fatal error is raised here: confluent-kafka keeps it from `error_cb`.

        Never `flush`: what that raises for a fatal error is no exception, and no `except` with a type catches it.
        """
        try:
            producer.poll(timeout_seconds)
        except KafkaException as error:
            self._note(error.args[0])

    def _pump(self) -> None:
        self._poll(self._producer)
        if self.in_flight_requests:
            self._loop.call_later(_POLL_SECONDS, self._pump)
        else:
            self._pumping = False

    def _new_producer(self) -> Producer:
        bounds = self._ingress
        ack_seconds = bounds.ack_timeout_seconds * _DELIVERY_SHARE
        properties = producer_properties(self._kafka, self._client_id, ack_timeout_seconds=ack_seconds)
        return Producer(
            properties
            | {
                "linger.ms": bounds.linger_milliseconds,
                "request.timeout.ms": max(1_000, int(ack_seconds * 1_000)),
                "socket.nagle.disable": True,
                "queue.buffering.max.messages": bounds.in_flight_requests_max + 2 * _UNAWAITED_MAX,
                "queue.buffering.max.kbytes": max(65_536, bounds.in_flight_bytes_max // 512),
                "error_cb": self._note,
            }
        )

    def _note(self, error: KafkaError) -> None:
        """What `poll` and `produce` raised, and what librdkafka tells inside `poll`; acting on it is left to `tick`."""
        if is_fatal(error):
            self._fatal = error.str()
            self.away = f"broker: {self._fatal}"
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.away = "broker: all connections are down"

    def _replace_producer(self) -> None:
        """Everything in flight is reported as failed first, so nothing waits for a producer that is gone."""
        old, in_flight = self._producer, self.in_flight_requests
        old.purge()
        for _ in range(_PURGE_POLLS_MAX):
            if not len(old):
                break
            self._poll(old, _PURGE_POLL_SECONDS)
        _log.error("ingress.producer.replaced", error=self._fatal, in_flight=in_flight)
        metrics.INGRESS_PRODUCERS_REPLACED.inc()
        self._producer = self._new_producer()
        self.away = f"broker: new producer after {self._fatal}"
        self._fatal = None

    def _probe(self, producer: Producer) -> str | None:
        """Runs on a thread of its own: whether the broker answers. None: it does."""
        try:
            topic = producer.list_topics(RECEIVED, timeout=_PROBE_TIMEOUT_SECONDS).topics[RECEIVED]
        except KafkaException as error:
            return f"broker: {error.args[0].str()}"
        return None if topic.error is None else f"topic {RECEIVED}: {topic.error.str()}"

    def _on_probed(self, probe: "asyncio.Future[str | None]") -> None:
        self._probing = False
        self._next_probe_at = self._loop.time() + _PROBE_SECONDS
        if not probe.cancelled():
            self.away = probe.result()

    def _on_unawaited(self, told: Told | None, error: KafkaError | None, _: Message) -> None:
        self.unawaited -= 1
        if told is not None:
            told(error is None)
