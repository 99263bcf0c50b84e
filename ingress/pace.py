"""Holds refusals back until a fixed time after their request was whole, so that the time tells nothing of the cause.

Due times are whole milliseconds of the clock and are worked out from the arrival, never from the end of the work: what
a proof costs is spent inside the wait. One timer serves all, because answers fall due in the order they are held.
"""

import asyncio
import time
from collections import deque
from typing import NamedTuple, Protocol

from ingress.core.answers import Answer

_NANOSECONDS_OF_A_MILLISECOND = 1_000_000
#: Written before the loop looks at its other connections again: a flood's refusals fall due together, and so do its
#: next requests, which would otherwise all stand before a good sender's.
_AT_ONCE = 8


class Refused(NamedTuple):
    """An answer that must not be written before its time."""

    answer: Answer


class Held(Protocol):
    """Whoever waits for leave to write a refusal."""

    def refused(self, answer: Answer) -> None: ...


class _Waiting(NamedTuple):
    due_milliseconds: int
    held: Held
    answer: Answer


class Pace:
    """One per worker, on the loop's thread. A connection waits for one answer at a time, and an answer for one pace."""

    def __init__(self, milliseconds: int) -> None:
        self.milliseconds = milliseconds
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Waiting] = deque()
        self._is_timed = False
        self._empty = asyncio.Event()
        self._empty.set()

    def hold(self, held: Held, answer: Answer, whole_at_ns: int) -> None:
        """Call `held.refused(answer)` when the time has come. `whole_at_ns` is of `time.monotonic_ns`."""
        due = -(-whole_at_ns // _NANOSECONDS_OF_A_MILLISECOND) + self.milliseconds
        self._waiting.append(_Waiting(due, held, answer))
        self._empty.clear()
        if not self._is_timed:
            self._set_timer()

    async def drain(self) -> None:
        """Until every refusal that is held has been let go."""
        await self._empty.wait()

    def _set_timer(self) -> None:
        # The loop's own clock stands still while it works, and its timers start now: only the difference is right.
        left = self._waiting[0].due_milliseconds - time.monotonic_ns() // _NANOSECONDS_OF_A_MILLISECOND
        self._is_timed = True
        self._loop.call_later(max(0, left) / 1_000, self._let_go)

    def _let_go(self) -> None:
        now = time.monotonic_ns() // _NANOSECONDS_OF_A_MILLISECOND
        waiting, left = self._waiting, _AT_ONCE
        try:
            while left and waiting and waiting[0].due_milliseconds <= now:
                left -= 1
                _, held, answer = waiting.popleft()
                held.refused(answer)
        finally:
            self._is_timed = False
            if waiting:
                self._set_timer()
            else:
                self._empty.set()
