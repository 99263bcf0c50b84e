"""Group publishing: the outputs of every batch that is ready are produced together and end with one flush.

A delivery report per message costs more than producing it: a Message object, a callback, and a fight for the
interpreter's lock. Here only failed messages report (`delivery.report.only.error`); that everything else is
acknowledged is what an empty producer says. While a group is under way the next batches are decided; they are the
next group, so that a flush never waits for messages produced after it began.
"""

import asyncio
import queue
import threading
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaException, Message, Producer

from infra.errors import KafkaUnavailableError
from infra.kafka import Headers, producer_properties
from infra.settings import KafkaSettings

_FULL_QUEUE_POLL_SECONDS = 0.05
_STOP_SECONDS = 5.0
_ANY_PARTITION = -1


@dataclass(slots=True)
class Outputs:
    """What one batch produces, in order."""

    messages: list[tuple[str, bytes | None, bytes | None, int, Headers | None]] = field(default_factory=list)

    def send(self, topic: str, *, key: bytes | None, value: bytes | None, headers: Headers | None = None) -> None:
        """Add a message; its key chooses the partition."""
        self.messages.append((topic, value, key, _ANY_PARTITION, headers))

    def send_to_partition(self, topic: str, *, key: bytes, value: bytes | None, partition: int) -> None:
        """Add a message for a partition that is already known."""
        self.messages.append((topic, value, key, partition, None))


_Job = tuple[Outputs, "asyncio.Future[None]", asyncio.AbstractEventLoop]


class Publisher:
    """A producer on a thread of its own. After a failure the messages around it are in doubt: end the process."""

    def __init__(self, settings: KafkaSettings, *, client_id: str, ack_timeout_seconds: float) -> None:
        self._error: str | None = None
        self._fatal: str | None = None
        self._ack_timeout_seconds = ack_timeout_seconds
        self._producer = Producer(
            {
                **producer_properties(settings, client_id, ack_timeout_seconds=ack_timeout_seconds),
                "linger.ms": 5,
                "delivery.report.only.error": True,
                "on_delivery": self._on_failure,
                "error_cb": self._on_error,
            }
        )
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._publish_forever, name=f"{client_id}-publisher", daemon=True)
        self._thread.start()

    @property
    def fatal_error(self) -> str | None:
        """Why this producer can never send again, or None."""
        return self._fatal

    async def publish(self, outputs: Outputs) -> None:
        """Produce everything; returns when all of it is acknowledged. Raises KafkaUnavailableError otherwise."""
        if not outputs.messages:
            return
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._jobs.put((outputs, done, loop))
        await done

    def close(self) -> int:
        """Finish what was submitted; returns how many messages were left unacknowledged."""
        self._jobs.put(None)
        self._thread.join(_STOP_SECONDS)
        return len(self._producer)

    def _publish_forever(self) -> None:
        while True:
            group = self._next_group()
            self._publish([job for job in group if job is not None])
            if None in group:
                return

    def _next_group(self) -> list[_Job | None]:
        group = [self._jobs.get()]
        while True:
            try:
                group.append(self._jobs.get_nowait())
            except queue.Empty:
                return group

    def _publish(self, jobs: list[_Job]) -> None:
        if not jobs:
            return
        try:
            for outputs, _, _ in jobs:
                self._produce(outputs)
            left = self._producer.flush(self._ack_timeout_seconds + 1)
            error = self._error or (f"{left} messages not acknowledged in time" if left else None)
        except KafkaException as failure:
            error = failure.args[0].str()
        jobs[0][2].call_soon_threadsafe(_resolve, [done for _, done, _ in jobs], error)

    def _produce(self, outputs: Outputs) -> None:
        produce = self._producer.produce
        for topic, value, key, partition, headers in outputs.messages:
            while True:
                try:
                    if headers is None:
                        produce(topic, value, key, partition)
                    else:
                        produce(topic, value, key, partition, headers=headers)
                    break
                except BufferError:
                    self._producer.poll(_FULL_QUEUE_POLL_SECONDS)

    def _on_failure(self, error: Any, message: Message) -> None:
        if error is not None:
            self._error = f"produce to {message.topic()}: {error.str()}"

    def _on_error(self, error: Any) -> None:
        if error.fatal():
            self._fatal = str(error.str())


def _resolve(futures: "list[asyncio.Future[None]]", error: str | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(KafkaUnavailableError(error))
