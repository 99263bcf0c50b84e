"""The token bucket, the flood gate: both bounded, both told the time."""

from hypothesis import given
from hypothesis import strategies as st

from ingress.core.flood import FloodGate
from ingress.core.limits import TokenBucket

SECOND = 1_000_000


def test_a_minutes_worth_may_come_at_once_and_then_one_per_interval() -> None:
    bucket = TokenBucket(60, 0)
    assert [bucket.take(0) for _ in range(61)] == [True] * 60 + [False]
    assert bucket.take(SECOND) is True
    assert bucket.take(SECOND) is False


def test_a_refusal_names_whole_seconds_never_less_than_one() -> None:
    bucket = TokenBucket(60_000, 0)
    while bucket.take(0):
        pass
    assert bucket.refusal().retry_after_seconds == 1
    slow = TokenBucket(1, 0)
    assert slow.take(0)
    assert not slow.take(SECOND)
    assert slow.refusal().retry_after_seconds == 59
    assert slow.refusal().limit == 1
    assert slow.refusal().reset_seconds == 59


def test_waiting_as_told_is_enough() -> None:
    bucket = TokenBucket(7, 0)
    while bucket.take(0):
        pass
    assert bucket.take(bucket.refusal().retry_after_seconds * SECOND)


def test_a_clock_that_goes_back_refills_nothing_and_breaks_nothing() -> None:
    bucket = TokenBucket(1, 100 * SECOND)
    assert bucket.take(100 * SECOND)
    assert not bucket.take(50 * SECOND)
    assert not bucket.take(101 * SECOND)
    assert bucket.take(161 * SECOND)


def test_a_changed_limit_keeps_the_share_used() -> None:
    bucket = TokenBucket(100, 0)
    for _ in range(100):
        bucket.take(0)
    assert not bucket.resized(200, 0).take(0)


@given(st.integers(1, 600), st.lists(st.integers(0, 5 * SECOND), max_size=200))
def test_no_window_lets_more_through_than_burst_and_rate(limit: int, waits: list[int]) -> None:
    bucket, now, passed = TokenBucket(limit, 0), 0, 0
    for wait in waits:
        now += wait
        passed += bucket.take(now)
    assert passed <= limit + now * limit / (60 * SECOND) + 1


def test_a_flood_is_written_down_a_few_times_and_then_counted() -> None:
    gate: FloodGate[str] = FloodGate(per_second_max=2, keys_max=10)
    admitted = [gate.admit("a", "other") for _ in range(5)]
    assert admitted == [None, None, "a", "a", "a"]
    gate.remember("a", "sample")
    assert gate.end_second() == [("sample", 3)]
    assert gate.end_second() == []
    assert gate.admit("a", "other") is None


def test_more_keys_than_are_told_apart_are_counted_together() -> None:
    gate: FloodGate[str] = FloodGate(per_second_max=1, keys_max=2)
    assert [gate.admit(f"key {n}", "others") for n in range(5)] == [None, None, "others", "others", "others"]
    assert gate.needs_sample("others")
    gate.remember("others", "first of them")
    assert not gate.needs_sample("others")
    assert gate.end_second() == [("first of them", 3)]
