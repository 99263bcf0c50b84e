"""How many requests a webhook may send: a token bucket whose burst is a minute's worth. Time is an argument."""

import math
from typing import NamedTuple, Protocol

#: A request is as old as its body took to arrive, so times go back a little all the time. More than this, and it was
#: the clock that was set back: waiting until it has caught up would refuse a webhook for hours.
_CLOCK_SET_BACK_US = 300_000_000


class Refusal(NamedTuple):
    """`retry_after_seconds` until the next token (>= 1), `reset_seconds` until the bucket is full again."""

    limit: int
    retry_after_seconds: int
    reset_seconds: int


class Bucket(Protocol):
    """A webhook's limit, counted here (`TokenBucket`) or shared with other receivers (`ingress.core.leases`)."""

    limit: int

    def take(self, now_us: int) -> bool: ...

    def refusal(self) -> Refusal: ...


class TokenBucket:
    """Starts full. `now_us` should come from one clock; where it goes back a little nothing is refilled meanwhile."""

    __slots__ = ("_at_us", "_per_us", "_tokens", "limit")

    def __init__(self, limit_per_minute: int, now_us: int) -> None:
        self.limit = limit_per_minute
        self._per_us = limit_per_minute / 60_000_000
        self._tokens = float(limit_per_minute)
        self._at_us = now_us

    def take(self, now_us: int) -> bool:
        """Whether there was a token; takes it."""
        self.refill(now_us)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def refill(self, now_us: int) -> None:
        """Add what the time since the last refill brings."""
        elapsed = now_us - self._at_us
        if elapsed > 0:
            self._tokens = min(self._tokens + elapsed * self._per_us, float(self.limit))
            self._at_us = now_us
        elif elapsed < -_CLOCK_SET_BACK_US:
            self._at_us = now_us

    def refusal(self) -> Refusal:
        """What to tell a sender for whom there was no token."""
        retry_us = (1.0 - self._tokens) / self._per_us
        reset_us = (self.limit - self._tokens) / self._per_us
        return Refusal(self.limit, max(1, math.ceil(retry_us / 1e6)), max(1, math.ceil(reset_us / 1e6)))

    def resized(self, limit_per_minute: int, now_us: int) -> "TokenBucket":
        """A bucket with another limit that gives no second burst: it holds the same share of its limit."""
        other = TokenBucket(limit_per_minute, now_us)
        other._tokens = self._tokens * limit_per_minute / self.limit
        return other
