"""Bounds of processor time that hold on any machine, and behind any other tests."""

import gc
import time
from collections.abc import Iterator

import pytest

_ADDED = 1_000_000
#: What the interpreter needs to add up a million numbers where the bounds were measured.
_FLOOR_SECONDS = 0.017


@pytest.fixture(scope="module")
def earlier_objects_left_alone() -> Iterator[None]:
    """As every role does at its start: the collector need not look again at what was there before."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def bound_here(seconds: float) -> float:
    """A bound in processor seconds: as given, or as many times more as the interpreter is slower here and now."""
    return seconds * max(1.0, min(_floor() for _ in range(3)) / _FLOOR_SECONDS)


def _floor() -> float:
    began = time.thread_time()
    sum(range(_ADDED))
    return time.thread_time() - began
