"""Keeps the children of a stack running: starts them in order, starts a dead one again, stops them in reverse order."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from hookline.embedded.errors import EmbeddedError

RESTART_SECONDS_MIN = 0.5
RESTART_SECONDS_MAX = 30.0
STEADY_SECONDS = 60.0
# Below the 15 s in which a stack promises to be gone. Reserved: what a child still to be stopped is sure to get.
STOP_SECONDS_MAX = 13.5
STOP_SECONDS_MIN = 0.5
STOP_SECONDS_RESERVED = 1.0
SERVERS_SECONDS_RESERVED = 3.0
_WATCH_SECONDS = 0.2

Say = Callable[[str], None]


class Running(Protocol):
    """A child process, or a server that is one."""

    @property
    def pid(self) -> int: ...
    @property
    def exit_code(self) -> int | None: ...
    def alive(self) -> bool: ...
    def stop(self, timeout_seconds: float) -> bool: ...
    def log_tail(self) -> str: ...


@dataclass
class Supervised:
    """A child and how to start it. `stop_seconds`: what it may take to end before it is killed.

    `names` are what it is called in the ready file; roles that share a process have several.
    """

    names: tuple[str, ...]
    start: Callable[[], Running]
    stop_seconds: float
    running: Running
    started_at: float
    deaths: int = 0
    start_after: float = field(default=0.0)

    @property
    def title(self) -> str:
        return ", ".join(self.names)


def restart_delay_seconds(deaths: int) -> float:
    """How long to wait before a child that has died `deaths` times in a row (1…) is started again."""
    return float(min(RESTART_SECONDS_MIN * 2 ** (deaths - 1), RESTART_SECONDS_MAX))


class Supervisor:
    """`say` shows a line to a person; `on_change` is called after a child was started again (its pid is new)."""

    def __init__(self, say: Say, on_change: Callable[[], object]) -> None:
        self._say = say
        self._on_change = on_change
        self._children: list[Supervised] = []

    @property
    def pids(self) -> dict[str, int]:
        """The pid of every child, by each of its names."""
        return {name: child.running.pid for child in self._children for name in child.names}

    def adopt(
        self, names: Sequence[str], start: Callable[[], Running], running: Running, *, stop_seconds: float
    ) -> None:
        """Take care of a child that runs already; `start` makes another one like it."""
        self._children.append(Supervised(tuple(names), start, stop_seconds, running, time.monotonic()))

    def first_dead(self) -> Supervised | None:
        """A child that has ended, if there is one."""
        return next((child for child in self._children if not child.running.alive()), None)

    def watch(self, stopping: threading.Event) -> None:
        """Until `stopping`: start every child that dies again, later and later while it keeps dying."""
        while not stopping.wait(_WATCH_SECONDS):
            for child in self._children:
                if not child.running.alive() and not stopping.is_set():
                    self._care_for(child, time.monotonic())

    def _care_for(self, child: Supervised, now: float) -> None:
        if not child.start_after:
            child.deaths = 1 if now - child.started_at > STEADY_SECONDS else child.deaths + 1
            delay = restart_delay_seconds(child.deaths)
            child.start_after = now + delay
            self._say(f"{child.title} ended (exit code {child.running.exit_code}); starting it again in {delay:g} s")
        elif now >= child.start_after:
            self._start_again(child)

    def _start_again(self, child: Supervised) -> None:
        child.running.stop(0.0)  # lets go what a dead server still holds: its data folder's lock
        child.start_after = 0.0
        try:
            child.running = child.start()
        except EmbeddedError as error:
            self._say(f"{child.title}: {error}")
            return
        finally:
            child.started_at = time.monotonic()
        self._say(f"{child.title} runs again (pid {child.running.pid})")
        self._on_change()

    def stop_all(self, *, together: Sequence[str]) -> None:
        """Stop in the reverse order of adoption; those named in `together`, which came first, at the same time.

        All of it takes at most STOP_SECONDS_MAX: what one child leaves unused of its time, the next may use.
        """
        deadline = time.monotonic() + STOP_SECONDS_MAX
        last = [child for child in self._children if set(child.names) & set(together)]
        first = [child for child in reversed(self._children) if child not in last]
        for position, child in enumerate(first):
            reserved = STOP_SECONDS_RESERVED * (len(first) - position - 1) + SERVERS_SECONDS_RESERVED
            self._stop(child, deadline - reserved)
        with ThreadPoolExecutor(max_workers=max(1, len(last))) as pool:
            list(pool.map(lambda child: self._stop(child, deadline), last))
        self._children.clear()

    def _stop(self, child: Supervised, deadline: float) -> None:
        allowed = max(STOP_SECONDS_MIN, min(child.stop_seconds, deadline - time.monotonic()))
        was_alive = child.running.alive()
        if not child.running.stop(allowed) and was_alive:
            self._say(f"{child.title} did not end within {allowed:.1f} s and was killed")
