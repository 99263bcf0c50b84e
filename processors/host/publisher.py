"""Group publishing: the outputs of every batch that is ready are produced together and end with one flush.

A delivery report per message costs more than producing it: a Message object, a callback, and a fight for the
interpreter's lock. Here only failed messages report (`delivery.report.only.error`); that everything else is
acknowledged is what an empty producer says. While a group is under way the next batches are decided; they are the
next group, so that a flush never waits for messages produced after it began.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from infra.errors import KafkaUnavailableError
from infra.kafka import Headers, flush, is_fatal, producer_properties
from infra.settings import KafkaSettings

_FULL_QUEUE_POLL_SECONDS = 0.05
_STOP_SECONDS = 5.0
_ANY_PARTITION = -1

_Message = tuple[str, bytes | None, bytes | None, int, Headers | None]


@dataclass(slots=True)
class Outputs:
    """What one batch produces, in order."""

    messages: list[_Message] = field(default_factory=list)

    def send(self, topic: str, *, key: bytes | None, value: bytes | None, headers: Headers | None = None) -> None:
        """Add a message; its key chooses the partition."""
        self.messages.append((topic, value, key, _ANY_PARTITION, headers))

    def send_to_partition(self, topic: str, *, key: bytes, value: bytes | None, partition: int) -> None:
        """Add a message for a partition that is already known."""
        self.messages.append((topic, value, key, partition, None))


_Job = tuple[Outputs, "asyncio.Future[None]"]


class Publisher:
    """A producer that belongs to the event loop's thread; only the waiting of a flush happens on another.

    Producing on a thread of its own would make it and the loop take the interpreter lock from each other, message by
    message. After a failure the messages around it are in doubt: end the process.
    """

    def __init__(self, settings: KafkaSettings, *, client_id: str, ack_timeout_seconds: float) -> None:
        self._error: str | None = None
        self._fatal: str | None = None
        self._ack_timeout_seconds = ack_timeout_seconds
        self._producer = Producer(
            {
                **producer_properties(settings, client_id, ack_timeout_seconds=ack_timeout_seconds),
                "linger.ms": 5,
                # After a message that is lost no later one of its partition may be written: order would be broken.
                "enable.gapless.guarantee": True,
                "delivery.report.only.error": True,
                "on_delivery": self._on_failure,
            }
        )
        self._waiting: list[_Job] = []
        self._flushing = False
        self._flusher = ThreadPoolExecutor(1, thread_name_prefix=f"{client_id}-flush")

    @property
    def fatal_error(self) -> str | None:
        """Why this producer can never send again, or None."""
        return self._fatal

    async def publish(self, outputs: Outputs) -> None:
        """Produce everything; returns when all of it is acknowledged. Raises KafkaUnavailableError otherwise."""
        if not outputs.messages:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((outputs, done))
        if not self._flushing:
            self._begin_group()
        await done

    def close(self) -> int:
        """Finish what was submitted; returns how many messages were left unacknowledged."""
        self._flusher.shutdown(wait=False)
        try:
            return flush(self._producer, _STOP_SECONDS)
        except KafkaUnavailableError:
            return len(self._producer)

    def _begin_group(self) -> None:
        """Produce everything that waits, then flush on the other thread."""
        group, self._waiting = self._waiting, []
        messages = (message for outputs, _ in group for message in outputs.messages)
        self._flushing = True
        try:
            rest = self._produce(messages)
        except KafkaException as failure:
            self._end_group(group, self._note(failure.args[0]))
            return
        flushed = asyncio.get_running_loop().run_in_executor(self._flusher, self._flush, rest)
        flushed.add_done_callback(lambda answer: self._end_group(group, _answer_of(answer)))

    def _end_group(self, group: list[_Job], error: str | None) -> None:
        self._flushing = False
        for _, done in group:
            if done.done():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(KafkaUnavailableError(error))
        if self._waiting:
            self._begin_group()

    def _produce(self, messages: Iterator[_Message]) -> Iterator[_Message]:
        """Produce while the local queue has room; what is left goes on where waiting for room blocks nobody."""
        produce = self._producer.produce
        for message in messages:
            topic, value, key, partition, headers = message
            try:
                if headers is None:
                    produce(topic, value, key, partition)
                else:
                    produce(topic, value, key, partition, headers=headers)
            except BufferError:
                return chain((message,), messages)
        return iter(())

    def _flush(self, rest: Iterator[_Message]) -> str | None:
        """Runs on the flush thread: why the group is not acknowledged as a whole; None: it is."""
        try:
            while (first := next(rest, None)) is not None:
                self._producer.poll(_FULL_QUEUE_POLL_SECONDS)
                rest = self._produce(chain((first,), rest))
            left = flush(self._producer, self._ack_timeout_seconds + 1)
        except KafkaException as failure:
            return self._note(failure.args[0])
        except KafkaUnavailableError as failure:
            self._fatal = str(failure)
            return self._fatal
        return self._error or (f"{left} messages not acknowledged in time" if left else None)

    def _on_failure(self, error: Any, message: Message) -> None:
        if error is not None:
            self._error = f"produce to {message.topic()}: {error.str()}"

    def _note(self, error: KafkaError) -> str:
        text = str(error.str())
        if is_fatal(error):
            self._fatal = text
        return text


def _answer_of(flushed: "asyncio.Future[str | None]") -> str | None:
    fault = flushed.exception()
    return flushed.result() if fault is None else f"{type(fault).__name__}: {fault}"
