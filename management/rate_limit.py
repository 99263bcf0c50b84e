"""How fast API keys may call, per tenant, and how often one address may try keys that are none."""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from infra.addresses import subscriber

_SECONDS = 60
#: An address that failed longest ago is forgotten first; a key that was good longest ago as well.
ADDRESSES_MAX = 10_000
GOOD_KEYS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class CallRate:
    """The tenant's bucket after a call: `limit` a minute, which is also the burst; `tokens` are left."""

    limit: int
    tokens: float
    allowed: bool

    def headers(self) -> dict[str, str]:
        """For every answer to a call by key. `RateLimit-Reset`: seconds until the bucket is full."""
        reset_seconds = max(0, math.ceil((self.limit - self.tokens) * _SECONDS / self.limit))
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(0, math.floor(self.tokens))),
            "RateLimit-Reset": str(reset_seconds),
        }

    @property
    def retry_after_seconds(self) -> int:
        """Whole seconds until the next call would be allowed, at least 1."""
        return max(1, math.ceil((1 - self.tokens) * _SECONDS / self.limit))


class FailedKeys:
    """Failures per source address in this process, bounded, so that guessing costs no database work.

    An address (a /64 of v6 is one) has a bucket of `failures_per_minute`. While it is empty only keys that were good
    before are looked at, so that one guesser does not shut out others behind the same address. `clock` gives seconds.
    """

    def __init__(self, failures_per_minute: int, clock: Callable[[], float]) -> None:
        self._limit = failures_per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._good: OrderedDict[bytes, None] = OrderedDict()

    def wait_seconds(self, address: str, key_hash: bytes) -> int:
        """0 when the key may be looked up, else whole seconds until the address may try again."""
        with self._lock:
            tokens = self._tokens(subscriber(address))
            if tokens >= 1 or key_hash in self._good:
                return 0
            return max(1, math.ceil((1 - tokens) * _SECONDS / self._limit))

    def failed(self, address: str, key_hash: bytes) -> None:
        """The key was none, or is one no more."""
        source = subscriber(address)
        with self._lock:
            self._good.pop(key_hash, None)
            self._buckets[source] = (max(0.0, self._tokens(source) - 1), self._clock())
            self._buckets.move_to_end(source)
            if len(self._buckets) > ADDRESSES_MAX:
                self._buckets.popitem(last=False)

    def succeeded(self, key_hash: bytes) -> None:
        """The key is one."""
        with self._lock:
            self._good[key_hash] = None
            self._good.move_to_end(key_hash)
            if len(self._good) > GOOD_KEYS_MAX:
                self._good.popitem(last=False)

    def _tokens(self, source: str) -> float:
        if source not in self._buckets:
            return float(self._limit)
        tokens, at = self._buckets[source]
        return min(float(self._limit), tokens + max(0.0, self._clock() - at) * self._limit / _SECONDS)
