"""A webhook's rate limit where several receivers share it: tokens are leased from a store, and spent here.

Taking is local and never waits. A receiver renews its leases ahead of need; the first requests after a quiet time are
taken on credit, which the next renewal debits, below zero if need be. So with R receivers at most `limit` plus R times
the credit pass in any minute, and exactly the limit in the long run. Time is an argument.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from ingress.core.limits import Refusal, TokenBucket

_MINUTE_US = 60_000_000
#: After so long without a request what is left of a lease is given back.
_IDLE_US = 1_000_000
#: A lease lasts some four renewals at the pace of the last one.
_RENEWALS_AHEAD = 4


class Need(NamedTuple):
    """What to ask the store for: `debt` was spent on credit, `wanted` is to be leased, `given_back` is not needed."""

    debt: int
    wanted: int
    given_back: int


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
        "_lease_max",
        "_leased",
        "_link",
        "_local",
        "_pace",
        "_seen_at_us",
        "_spent",
        "_tokens",
        "is_noticed",
        "key",
        "limit",
    )

    def __init__(self, key: str, limit_per_minute: int, now_us: int, link: StoreLink, shares: "Shares") -> None:
        self.key = key
        self.limit = limit_per_minute
        self.is_noticed = False
        self._link = link
        self._local = TokenBucket(limit_per_minute, now_us)
        self._credit = max(1, limit_per_minute * shares.credit_percent // 100)
        self._lease_max = max(1, limit_per_minute * shares.lease_percent // 100)
        self._leased = self._debt = self._spent = 0
        self._pace = 1
        self._tokens = float(limit_per_minute)
        self._seen_at_us = self._active_at_us = now_us
        self._empty_until_us = 0

    def take(self, now_us: int) -> bool:
        """Whether there was a token; takes it."""
        if not self.is_noticed:
            self.is_noticed = True
            self._link.notice(self)
        if self._link.away:
            return self._local.take(now_us)
        self._active_at_us = now_us
        if self._leased > 0:
            self._leased -= 1
        elif self._debt < self._credit and now_us >= self._empty_until_us:
            self._debt += 1
        else:
            return False
        self._spent += 1
        return True

    def refusal(self) -> Refusal:
        """What to tell a sender for whom there was no token, from what the store said last."""
        if self._link.away:
            return self._local.refusal()
        per_us = self.limit / _MINUTE_US
        tokens = min(self._tokens + max(0, self._active_at_us - self._seen_at_us) * per_us - self._debt, self.limit)
        retry_us = max((1.0 - tokens) / per_us, self._empty_until_us - self._active_at_us)
        reset_us = (self.limit - tokens) / per_us
        return Refusal(self.limit, max(1, math.ceil(retry_us / 1e6)), max(1, math.ceil(reset_us / 1e6)))

    def need(self, now_us: int) -> Need | None:
        """What a renewal has to ask for now; None for nothing. The debt stays until `renewed` says that it is paid."""
        self._pace = max(self._spent, self._pace // 2, 1)
        spent, self._spent = self._spent, 0
        if self._leased and now_us - self._active_at_us >= _IDLE_US:
            given_back, self._leased = self._leased, 0
            return Need(self._debt, 0, given_back)
        wanted = 0
        if (spent or self._debt) and self._leased < self._pace and now_us >= self._empty_until_us:
            wanted = min(self._pace * _RENEWALS_AHEAD, self._lease_max) - self._leased
        return Need(self._debt, wanted, 0) if wanted > 0 or self._debt else None

    def renewed(self, need: Need, granted: int, tokens: float, now_us: int) -> None:
        """The store has answered: `granted` are leased, `tokens` are left there (below zero: owed)."""
        self._debt = max(0, self._debt - need.debt)
        self._leased += granted
        self._tokens, self._seen_at_us = tokens, now_us
        if self._leased == 0 and tokens < 1.0:
            self._empty_until_us = now_us + math.ceil(max(0.0, 1.0 - tokens) * _MINUTE_US / self.limit)

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to renew, debit or give back until the next request."""
        return not (self._leased or self._debt or self._spent)

    def resized(self, limit_per_minute: int, now_us: int, shares: "Shares") -> "LeasedBucket":
        """A bucket with another limit in place of this one: what is owed stays owed, a lease is within its share."""
        other = LeasedBucket(self.key, limit_per_minute, now_us, self._link, shares)
        other._local = self._local.resized(limit_per_minute, now_us)
        other._debt, other._spent = self._debt, self._spent
        other._leased = min(self._leased, other._lease_max)
        self._leased = self._debt = self._spent = 0
        return other


class Shares(NamedTuple):
    """Of a webhook's limit, per receiver: what passes on credit, and how much one lease may be."""

    credit_percent: int
    lease_percent: int
