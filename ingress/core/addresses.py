"""How many proofs may fail from one source address, so that whoever guesses is refused before any work. Pure.

Many tenants share a sender's addresses, and many senders a NAT: while an address is held back, a webhook at which it
proved itself within the last hour is still verified. Time is an argument, in microseconds of one clock.
"""

import math
from collections import OrderedDict

from infra.addresses import subscriber

ADDRESSES_MAX = 10_000
#: What all addresses together have that found no place among ADDRESSES_MAX, as multiples of one address's bucket.
OVERFLOW_SHARES = 100
PROVEN_PAIRS_MAX = 20_000
PROVEN_US = 3_600_000_000
_MINUTE_US = 60_000_000
_RENEW_US = 60_000_000
_SWEPT_EACH_TIME = 2
_OVERFLOW = ""


class FailedProofs:
    """A bucket of `per_minute` failures per address (a /64 of v6 is one), and what was proven from where.

    `per_minute` 0: nothing is counted and nobody is held back.
    """

    __slots__ = ("_buckets", "_per_minute", "_proven")

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        #: Failures left, and when that was so; the address that failed longest ago comes first.
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._proven: OrderedDict[tuple[str, str], int] = OrderedDict()

    def wait_seconds(self, address: str, now_us: int) -> int:
        """0 while the address may fail, else whole seconds until it may again."""
        if not self._buckets:
            return 0
        name = self._name_of(_source(address))
        left = self._left(name, now_us)
        return 0 if left >= 1.0 else max(1, math.ceil((1.0 - left) * 60 / self._limit_of(name)))

    def failed(self, address: str, now_us: int) -> None:
        """A proof was missing or wrong, or there was nothing to prove anything to."""
        if not self._per_minute:
            return
        buckets = self._buckets
        self._sweep(now_us)
        name = self._name_of(_source(address))
        buckets[name] = max(0.0, self._left(name, now_us) - 1.0), now_us
        buckets.move_to_end(name)

    def succeeded(self, address: str, webhook_id: str, now_us: int) -> None:
        """A proof was good."""
        if not self._per_minute:
            return
        pair = _source(address), webhook_id
        at_us = self._proven.get(pair)
        if at_us is not None and 0 <= now_us - at_us < _RENEW_US:
            return
        self._proven[pair] = now_us
        self._proven.move_to_end(pair)
        if len(self._proven) > PROVEN_PAIRS_MAX:
            self._proven.popitem(last=False)

    def is_proven(self, address: str, webhook_id: str, now_us: int) -> bool:
        """Whether a proof from this address was good at this webhook within PROVEN_US."""
        at_us = self._proven.get((_source(address), webhook_id))
        return at_us is not None and now_us - at_us < PROVEN_US

    def __len__(self) -> int:
        """Entries of both tables."""
        return len(self._buckets) + len(self._proven)

    def _name_of(self, source: str) -> str:
        """The bucket that counts for a source: its own, or where there is no place for one that of all others."""
        return source if source in self._buckets or len(self._buckets) < ADDRESSES_MAX else _OVERFLOW

    def _limit_of(self, name: str) -> int:
        return self._per_minute if name else self._per_minute * OVERFLOW_SHARES

    def _left(self, name: str, now_us: int) -> float:
        limit = self._limit_of(name)
        bucket = self._buckets.get(name)
        if bucket is None:
            return float(limit)
        left, at_us = bucket
        if now_us < at_us:  # the clock was set back: nobody is held back until it has caught up
            self._buckets[name] = left, now_us
        return min(float(limit), left + max(0, now_us - at_us) * limit / _MINUTE_US)

    def _sweep(self, now_us: int) -> None:
        """Forget addresses whose buckets are full again; two for each that may come keeps the table small."""
        buckets = self._buckets
        for _ in range(_SWEPT_EACH_TIME):
            if not buckets:
                return
            name, (_, at_us) = next(iter(buckets.items()))
            if now_us - at_us < _MINUTE_US:
                return
            del buckets[name]


def _source(address: str) -> str:
    return subscriber(address) if ":" in address else address
