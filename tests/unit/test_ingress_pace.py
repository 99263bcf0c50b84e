"""Refusals are held until their time, counted from the arrival, and let go in order."""

import asyncio
import time

import uvloop

from ingress.core.answers import UNAUTHORIZED, Answer
from ingress.pace import Pace

PACE_MILLISECONDS = 60


class Note:
    """Notes when it was let go; fails when it is told to."""

    def __init__(self, notes: list[tuple[str, int]], name: str, *, fails: bool = False) -> None:
        self._notes, self._name, self._fails = notes, name, fails

    def refused(self, answer: Answer) -> None:
        assert answer is UNAUTHORIZED
        self._notes.append((self._name, time.monotonic_ns()))
        if self._fails:
            raise RuntimeError("the writer failed")


def run(
    holds: list[tuple[str, int, bool]], *, pace_milliseconds: int = PACE_MILLISECONDS, arrived_ago_ns: int = 0
) -> tuple[list[tuple[str, int]], int]:
    """Hold (name, nanoseconds of work before, fails) and wait for the end; what was let go when, and the arrival."""
    notes: list[tuple[str, int]] = []

    async def hold_all() -> int:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        pace = Pace(pace_milliseconds)
        await pace.drain()
        arrived_ns = time.monotonic_ns() - arrived_ago_ns
        for name, work_ns, fails in holds:
            until_ns = time.monotonic_ns() + work_ns
            while time.monotonic_ns() < until_ns:
                pass
            pace.hold(Note(notes, name, fails=fails), UNAUTHORIZED, arrived_ns)
        await pace.drain()
        return arrived_ns

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return notes, runner.run(hold_all())


def test_none_is_let_go_before_its_time_and_the_work_before_is_part_of_the_wait() -> None:
    notes, arrived_ns = run([("idle", 0, False), ("busy", 40_000_000, False)])
    assert [name for name, _ in notes] == ["idle", "busy"]
    first_ns, last_ns = (at_ns - arrived_ns for _, at_ns in notes)
    assert first_ns >= PACE_MILLISECONDS * 1_000_000
    assert last_ns - first_ns < 20_000_000, "the 40 ms of work have not put it off"


def test_work_beyond_the_pace_is_not_waited_for_again() -> None:
    """Of seconds, so that a machine which is busy for a moment is not taken for a second wait."""
    [(_, at_ns)], arrived_ns = run(
        [("slow", 20_000_000, False)], pace_milliseconds=20_000, arrived_ago_ns=21_000_000_000
    )
    assert at_ns - arrived_ns < (21 + 20) * 1_000_000_000


def test_one_that_fails_keeps_none_of_the_others() -> None:
    notes, _ = run([("a", 0, True), ("b", 0, False), ("c", 2_000_000, True), ("d", 0, False)])
    assert [name for name, _ in notes] == ["a", "b", "c", "d"]
