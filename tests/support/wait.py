"""Waiting for something to become true, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

POLL_SECONDS = 0.02

Answer = TypeVar("Answer")


def eventually(predicate: Callable[[], Answer], *, timeout_seconds: float, what: str) -> Answer:
    """The predicate's first truthy answer; AssertionError naming ``what`` when the time is over.

    An exception of the predicate is not swallowed: a predicate that may fail meanwhile says so itself.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout_seconds:g} s: {what} (last answer: {answer!r})")
        time.sleep(POLL_SECONDS)
