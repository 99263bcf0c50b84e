"""Ends the process of a consumer that stands still: records wait for it, the broker answers, and nothing is committed.

A client can lose its place in a group for good. Seen with librdkafka 2.16 when a broker stood still for 20 s: a commit
was never answered, and its consumer never joined again. Nothing inside the process can put that right, as closing
such a consumer waits for the same answer; a new process can.
"""

import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol, runtime_checkable

from confluent_kafka.admin import AdminClient

from infra.errors import KafkaUnavailableError
from infra.groups import assigned_places
from infra.kafka import admin_client
from infra.lag import LagReader
from infra.log import get_logger
from infra.settings import Settings

EXIT_AFTER_STANDSTILL = 70
_ANSWER_SECONDS_MAX = 5.0
_LOOKS_PER_BOUND = 12
_LOOK_SECONDS_MAX = 10.0
#: Behind the records of other partitions one may have to wait longer than when nothing moves at all.
LEFT_BEHIND_FACTOR = 10
_log = get_logger(__name__)

#: A topic and the number of a partition.
Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Watched:
    """A consumer of this process. `owned` are the partitions it believes to have.

    `waited_at` is when it last waited for something other than Kafka, in monotonic seconds: a database that is away, or
    the restoring of tables, which has a bound of its own.
    """

    name: str
    group_id: str
    topics: tuple[str, ...]
    owned: Callable[[], Collection[Place]]
    waited_at: Callable[[], float]


@runtime_checkable
class Consuming(Protocol):
    """A role with members of consumer groups that nobody may miss."""

    def consumers(self) -> tuple[Watched, ...]: ...


class Standstill:
    """What one consumer leaves waiting, from one look to the next. Pure; times are monotonic seconds."""

    def __init__(self, seconds_max: float) -> None:
        self._seconds_max = seconds_max
        self._waiting: dict[Place, tuple[int, float]] = {}
        self._moved_at = float("-inf")

    def forget(self) -> None:
        """Begin anew: the broker did not answer, or the consumer waits for something else."""
        self._waiting.clear()

    def look(self, waiting: Mapping[Place, int], now: float) -> str | None:
        """Why the consumer stands still; None: it does not.

        `waiting` are the partitions it has to answer for in which records wait, each with its next offset.
        """
        before, self._waiting = self._waiting, {}
        for place, offset in waiting.items():
            known = before.get(place)
            self._waiting[place] = (offset, now) if known is None or known[0] != offset else known
            if known is not None and known[0] != offset:
                self._moved_at = now
        if before.keys() - waiting.keys():
            self._moved_at = now
        since = min((at for _, at in self._waiting.values()), default=now)
        silent = now - max(since, self._moved_at)
        if silent >= self._seconds_max:
            return f"nothing was committed for {silent:.0f} s"
        if now - since >= LEFT_BEHIND_FACTOR * self._seconds_max:
            return f"of a partition nothing was committed for {now - since:.0f} s, beside others that move"
        return None


def end_process(consumer: str, reason: str) -> NoReturn:
    """End hard: a thread of the client that waits for ever would hold up any other end."""
    _log.error("consumer.stands_still", consumer=consumer, reason=reason)
    os._exit(EXIT_AFTER_STANDSTILL)


class StandstillWatch:
    """Looks after the consumers of a process on a thread of its own; `end` (name, reason) is for one that stands still.

    A consumer answers for what it has and for what no member of its group has: one that rightly has nothing, because
    others have it all, is left alone. While the broker does not answer nobody is at fault.
    """

    def __init__(
        self, settings: Settings, consumers: Sequence[Watched], end: Callable[[str, str], object] = end_process
    ) -> None:
        self._settings = settings
        self._consumers = consumers
        self._end = end
        self._seconds_max = settings.health.standstill_seconds_max
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="standstill-watch", daemon=True)

    def start(self) -> None:
        """Begin to look; returns at once."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Look no more."""
        self._stopping.set()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        looks = [_Look(self._settings, consumer) for consumer in self._consumers]
        interval = min(_LOOK_SECONDS_MAX, self._seconds_max / _LOOKS_PER_BOUND)
        while not self._stopping.wait(interval):
            for look in looks:
                reason = look.take()
                if reason is not None and not self._stopping.is_set():
                    self._end(look.consumer.name, reason)
        for look in looks:
            look.close()


class _Look:
    """What is remembered of one consumer."""

    def __init__(self, settings: Settings, consumer: Watched) -> None:
        self.consumer = consumer
        self._standstill = Standstill(settings.health.standstill_seconds_max)
        self._reader = LagReader(settings.kafka, consumer.group_id, consumer.topics)
        self._admin: AdminClient = admin_client(settings.kafka, f"{consumer.group_id}-standstill")
        self._taken_at = time.monotonic()

    def take(self) -> str | None:
        before, self._taken_at = self._taken_at, time.monotonic()
        try:
            waiting = self._reader.waiting(timeout_seconds=_ANSWER_SECONDS_MAX)
            waiting = self._to_answer_for(waiting)
        except KafkaUnavailableError:
            self._standstill.forget()
            return None
        if self.consumer.waited_at() >= before:
            self._standstill.forget()
            return None
        return self._standstill.look(waiting, time.monotonic())

    def close(self) -> None:
        self._reader.close()

    def _to_answer_for(self, waiting: Mapping[Place, int]) -> dict[Place, int]:
        owned = frozenset(self.consumer.owned())
        if waiting.keys() <= owned:
            return dict(waiting)
        others = assigned_places(self._admin, self.consumer.group_id, timeout_seconds=_ANSWER_SECONDS_MAX) - owned
        return {place: offset for place, offset in waiting.items() if place not in others}
