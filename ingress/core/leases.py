"""A webhook's rate limit where several receivers share it: tokens are leased from a store, and spent here.

Taking is local and never waits. A receiver renews its leases ahead of need; the first requests after a quiet time are
taken on credit, which the next renewal debits, below zero if need be. So in any span of time R receivers let at most
`limit`, what the span brings, R times the credit, and what `LEASE_US_MAX` brings pass (ADR 0012 has the proof); in the
long run exactly the limit. Whatever the store says, one receiver alone never lets more than the limit pass. Time is an
argument.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from ingress.core.limits import Refusal, TokenBucket

_MINUTE_US = 60_000_000
#: So often what is left of a lease goes back, if it was there the last time too.
_TURN_US = 500_000
#: No leased token is spent later than this after the store was last asked for it, and a renewal.
LEASE_US_MAX = 2 * _TURN_US
#: A debt below half the credit is settled so often: most webhooks are quiet, and asking for each at once costs most.
_SETTLE_US = 250_000
#: A lease lasts some ten renewals at the pace of the last one.
_RENEWALS_AHEAD = 10


class Need(NamedTuple):
    """What to ask the store for: `debt` was spent on credit, `wanted` is to be leased, `given_back` is not needed."""

    debt: int
    wanted: int
    given_back: int


class Shares(NamedTuple):
    """Of a webhook's limit, per receiver: what passes on credit, and how much one lease may be."""

    credit_percent: int
    lease_percent: int

    def credit_of(self, limit_per_minute: int) -> int:
        """At least one request: a webhook's first may not wait for the store."""
        return max(1, limit_per_minute * self.credit_percent // 100)

    def lease_of(self, limit_per_minute: int) -> int:
        """The most that one receiver holds."""
        return max(1, limit_per_minute * self.lease_percent // 100)


class StoreLink:
    """What all buckets of a process know of the store. While it is `away` each webhook has a local bucket instead."""

    __slots__ = ("away", "notice")

    def __init__(self, notice: Callable[["LeasedBucket"], None]) -> None:
        self.away = True
        #: Told once of each bucket that begins to need something.
        self.notice = notice


class LeasedBucket:
    """Implements the same calls as `TokenBucket`. `key` names the webhook in the store."""

    __slots__ = (
        "_active_at_us",
        "_credit",
        "_debt",
        "_empty_until_us",
        "_fresh",
        "_lease_max",
        "_leased",
        "_link",
        "_local",
        "_pace",
        "_seen_at_us",
        "_spent",
        "_tokens",
        "_turned_at_us",
        "is_noticed",
        "key",
        "limit",
    )

    def __init__(self, key: str, limit_per_minute: int, now_us: int, link: StoreLink, shares: Shares) -> None:
        self.key = key
        self.limit = limit_per_minute
        self.is_noticed = False
        self._link = link
        self._local = TokenBucket(limit_per_minute, now_us)
        self._credit = shares.credit_of(limit_per_minute)
        self._lease_max = shares.lease_of(limit_per_minute)
        #: `_fresh` of the leased were granted since the last turn; the others are spent first.
        self._leased = self._fresh = self._debt = self._spent = 0
        self._pace = 1
        self._tokens = float(limit_per_minute)
        self._seen_at_us = self._empty_until_us = 0
        self._active_at_us = self._turned_at_us = now_us

    def take(self, now_us: int) -> bool:
        """Whether there was a token; takes it. The local bucket is the cap, with and without the store."""
        if not self.is_noticed:
            self.is_noticed = True
            self._link.notice(self)
        self._active_at_us = now_us
        if self._link.away:
            return self._local.take(now_us)
        if self._leased > 0:
            if not self._local.take(now_us):
                return False
            self._leased -= 1
        elif self._debt < self._credit and now_us >= self._empty_until_us and self._local.take(now_us):
            self._debt += 1
        else:
            return False
        self._spent += 1
        return True

    def refusal(self) -> Refusal:
        """What to tell a sender for whom there was no token, from what the store said last."""
        now_us = self._active_at_us
        self._local.refill(now_us)
        own = self._local.refusal()
        if self._link.away or not self._seen_at_us:
            return own
        per_us = self.limit / _MINUTE_US
        tokens = min(self._tokens + max(0, now_us - self._seen_at_us) * per_us, self.limit) - self._debt
        retry_seconds = max((1.0 - tokens) / per_us, self._empty_until_us - now_us) / 1e6
        reset_seconds = (self.limit - tokens) / per_us / 1e6
        return Refusal(
            self.limit,
            max(own.retry_after_seconds, math.ceil(retry_seconds)),
            max(own.reset_seconds, math.ceil(reset_seconds)),
        )

    def need(self, now_us: int) -> Need | None:
        """What a renewal has to ask for now; None for nothing. The debt stays until `renewed` says that it is paid."""
        if now_us < self._seen_at_us:  # the clock was set back: what was due by the old one is asked for anew
            self._seen_at_us = self._empty_until_us = 0
        self._pace = max(self._spent, self._pace // 2, 1)
        spent, self._spent = self._spent, 0
        given_back = self._turn(now_us)
        wanted = 0
        if (spent or self._debt) and self._leased < self._pace and now_us >= self._empty_until_us:
            wanted = max(0, min(self._pace * _RENEWALS_AHEAD, self._lease_max) - self._leased)
        if not given_back and self._may_wait(now_us):
            return None
        return Need(self._debt, wanted, given_back) if wanted or given_back or self._debt else None

    def renewed(self, need: Need, granted: int, tokens: float, now_us: int) -> None:
        """The store has answered: `granted` are leased, `tokens` are left there (below zero: owed)."""
        self._debt = max(0, self._debt - need.debt)
        self._leased += granted
        self._fresh += granted
        self._tokens, self._seen_at_us = tokens, now_us
        if tokens < 1.0:
            self._empty_until_us = now_us + math.ceil((1.0 - tokens) * _MINUTE_US / self.limit)

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to renew, debit or give back until the next request."""
        return not (self._leased or self._debt or self._spent)

    def resized(self, limit_per_minute: int, now_us: int, shares: Shares) -> "LeasedBucket":
        """A bucket with another limit in place of this one: what is owed stays owed, a lease is within its share."""
        other = LeasedBucket(self.key, limit_per_minute, now_us, self._link, shares)
        other._local = self._local.resized(limit_per_minute, now_us)
        other._debt, other._spent = self._debt, self._spent
        other._leased = min(self._leased, other._lease_max)
        self._leased = self._fresh = self._debt = self._spent = 0
        return other

    def _may_wait(self, now_us: int) -> bool:
        """Whether what passes so far is a small part of the credit, which bounds it until it is settled."""
        return not self._leased and 2 * self._debt <= self._credit and now_us - self._seen_at_us < _SETTLE_US

    def _turn(self, now_us: int) -> int:
        """How much of the lease goes back: a token that is held for long would come on top of a full bucket."""
        elapsed = now_us - self._turned_at_us
        if 0 <= elapsed < _TURN_US:
            return 0
        kept = min(self._leased, self._fresh) if 0 <= elapsed < LEASE_US_MAX else 0
        given_back, self._leased, self._fresh, self._turned_at_us = self._leased - kept, kept, 0, now_us
        return given_back
