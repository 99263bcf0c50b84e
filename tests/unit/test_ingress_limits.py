"""The token bucket, the flood gate: both bounded, both told the time."""

from dataclasses import dataclass, field
from fractions import Fraction

from hypothesis import given, settings
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


@dataclass
class ExactBucket:
    """What the bucket should be, in fractions of a token."""

    limit: int
    at_us: int = 0
    tokens: Fraction = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = Fraction(self.limit)

    def at(self, now_us: int) -> Fraction:
        elapsed = max(0, now_us - self.at_us)
        self.at_us = max(self.at_us, now_us)
        self.tokens = min(Fraction(self.limit), self.tokens + Fraction(elapsed * self.limit, 60 * SECOND))
        return self.tokens


#: Waits, most of them forward; a request is as old as its body, so some are a little before the one that came last.
WAITS = st.one_of(st.integers(0, 5 * SECOND), st.integers(0, 2_000), st.integers(-15 * SECOND, 0), st.just(70 * SECOND))
ROUNDING = Fraction(1, 1_000_000)


@given(st.integers(1, 60_000), st.lists(st.tuples(WAITS, st.integers(1, 300)), max_size=60))
@settings(max_examples=200, deadline=None)
def test_it_admits_what_exact_fractions_admit(limit: int, steps: list[tuple[int, int]]) -> None:
    bucket, exact, now = TokenBucket(limit, 0), ExactBucket(limit), 0
    for wait, requests in steps:
        now += wait
        for _ in range(requests):
            tokens, taken = exact.at(now), bucket.take(now)
            assert taken == (tokens >= 1) or abs(tokens - 1) < ROUNDING
            exact.tokens -= taken


def test_no_token_is_lost_or_made_in_a_long_run() -> None:
    """A day of a flood, in steps that a float cannot hold exactly."""
    limit, bucket, now, admitted = 7, TokenBucket(7, 0), 0, 0
    while now < 24 * 3_600 * SECOND:
        admitted += bucket.take(now)
        now += 333_333
    assert admitted in (limit + now * limit // (60 * SECOND) - 1, limit + now * limit // (60 * SECOND))


@given(st.lists(st.tuples(st.sampled_from([1, 60, 601, 60_000]), st.integers(0, 700)), min_size=1, max_size=30))
def test_changing_the_limit_to_and_fro_makes_no_tokens(changes: list[tuple[int, int]]) -> None:
    bucket, spent = TokenBucket(600, 0), Fraction(0)
    for limit, requests in changes:
        bucket = bucket.resized(limit, 0)
        spent += Fraction(sum(bucket.take(0) for _ in range(requests)), limit)
    assert spent <= 1 + ROUNDING, "of its limit, whatever that was when"


def test_a_clock_that_is_set_back_for_hours_does_not_refuse_for_hours() -> None:
    bucket = TokenBucket(60, 10 * 3_600 * SECOND)
    while bucket.take(10 * 3_600 * SECOND):
        pass
    assert not bucket.take(9 * 3_600 * SECOND)
    assert bucket.take(9 * 3_600 * SECOND + SECOND)


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
