"""The store that receivers share rate limits through: Redis or Valkey, asked in the background, never by a request."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from infra import metrics
from infra.clock import now_us
from infra.log import get_logger
from infra.settings import RateLimitSettings
from ingress.core.leases import LeasedBucket, Need, Shares, StoreLink

#: The token bucket. KEYS: the webhook's; ARGV: limit per minute, debt, wanted, given back. The clock is the store's.
#: Another limit than the last keeps the share of it that is there, as `TokenBucket.resized` does.
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local limit, debt, wanted, back = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local stored = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'limit')
local tokens, at, before = tonumber(stored[1]), tonumber(stored[2]), tonumber(stored[3])
if tokens and at and before then
  tokens = tokens * limit / before + math.max(0, now - at) * limit / 60000000
else
  tokens = limit
end
tokens = math.min(limit, tokens + back) - debt
local granted = math.max(0, math.min(wanted, math.floor(tokens)))
tokens = tokens - granted
local left = string.format('%.6f', tokens)
redis.call('HSET', KEYS[1], 'tokens', left, 'at', string.format('%.0f', now), 'limit', ARGV[1])
redis.call('EXPIRE', KEYS[1], 600)
return {granted, left}
"""
_SCRIPT_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_SCHEMES = {"valkey://": "redis://", "valkeys://": "rediss://"}
_BATCH_MAX = 500
_RETRY_SECONDS = 0.5
#: What a store that is not there, does not let us in, or is something else entirely may bring about.
_FAULTS = (RedisError, OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError)
_log = get_logger(__name__)


class RateStore:
    """One per worker, on the loop's thread. `run` renews what its buckets need until it is cancelled."""

    def __init__(self, settings: RateLimitSettings, url: str) -> None:
        self._settings = settings
        self._shares = Shares(settings.credit_percent, settings.lease_percent)
        self._noticed: set[LeasedBucket] = set()
        self._link = StoreLink(self._noticed.add)
        self._trouble: str | None = "not asked yet"
        for scheme, known in _SCHEMES.items():
            url = url.replace(scheme, known, 1) if url.startswith(scheme) else url
        self._stopping = False
        self._timeout_seconds = settings.store_timeout_milliseconds / 1_000
        # Never tried again by the client: what was sent and not answered may have been counted.
        self._client: Redis = Redis.from_url(
            url,
            socket_timeout=self._timeout_seconds,
            socket_connect_timeout=self._timeout_seconds,
            retry=Retry(NoBackoff(), 0),
            max_connections=2,
        )

    @property
    def trouble(self) -> str | None:
        """Why the store cannot be used now; None: it can."""
        return self._trouble

    def bucket(
        self, tenant_id: str, webhook_id: str, limit_per_minute: int, before: LeasedBucket | None, at_us: int
    ) -> LeasedBucket:
        """The bucket of a webhook, which goes on from the one it had."""
        if before is None:
            key = f"{self._settings.key_prefix}:{tenant_id}:{webhook_id}"
            return LeasedBucket(key, limit_per_minute, at_us, self._link, self._shares)
        if before.limit == limit_per_minute:
            return before
        return before.resized(limit_per_minute, at_us, self._shares)

    def stop(self) -> None:
        """Have `run` end soon. A cancellation alone may be lost where it meets a time-out (it has been seen)."""
        self._stopping = True

    async def run(self) -> None:
        """Renew until stopped; no fault of the store ends it, and with its end each bucket counts for itself."""
        interval_seconds = self._settings.renewal_milliseconds / 1_000
        try:
            while not self._stopping:
                if self._link.away:
                    await self._try()
                await self._renew()
                await asyncio.sleep(_RETRY_SECONDS if self._link.away else interval_seconds)
        finally:
            self._link.away = True
            await self._client.aclose()

    async def _try(self) -> None:
        """Ask whether the store is there and can be written to: a replica, or one that is full, would answer a ping."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._client.set(f"{self._settings.key_prefix}:probe", 1, px=1)
        except _FAULTS as error:
            self._note(error)
        else:
            self._note(None)

    async def _renew(self) -> None:
        if self._link.away:
            return
        at_us = now_us()
        due: list[tuple[LeasedBucket, Need]] = []
        for bucket in list(self._noticed):
            need = bucket.need(at_us)
            if need is not None:
                due.append((bucket, need))
            elif bucket.is_quiet:
                self._noticed.discard(bucket)
                bucket.is_noticed = False
        for begin in range(0, len(due), _BATCH_MAX):
            if self._trouble is None:
                await self._ask(due[begin : begin + _BATCH_MAX])

    async def _ask(self, due: Sequence[tuple[LeasedBucket, Need]]) -> None:
        """One round trip. What is not answered stays owed and is asked again; what was given back then is lost."""
        try:
            found = await self._send(due)
            at_us = now_us()
            for (bucket, need), answer in zip(due, found, strict=True):
                if not isinstance(answer, Exception):
                    bucket.renewed(need, int(answer[0]), float(answer[1]), at_us)
        except _FAULTS as error:
            self._note(error)
            return
        faults = [answer for answer in found if isinstance(answer, Exception) and not isinstance(answer, NoScriptError)]
        if faults:
            self._note(faults[0])

    async def _send(self, due: Sequence[tuple[LeasedBucket, Need]]) -> Sequence[Any]:
        """An answer or an exception for each."""
        pipeline = self._client.pipeline(transaction=False)
        for position, (bucket, need) in enumerate(due):
            # The first brings the script along, so that a store which has lost it learns it in the same round trip.
            run, script = (pipeline.evalsha, _SCRIPT_SHA) if position else (pipeline.eval, _SCRIPT)
            run(script, 1, bucket.key, str(bucket.limit), *map(str, need))
        metrics.INGRESS_RATE_STORE_CALLS.inc()
        async with asyncio.timeout(self._timeout_seconds):
            return await pipeline.execute(raise_on_error=False)

    def _note(self, error: Exception | None) -> None:
        """Say a change once, by its kind: what a store answers may quote what it was sent."""
        trouble = None if error is None else type(error).__name__
        if trouble is None:
            _log.info("rate_limits.store", reason="in use")
        else:
            metrics.INGRESS_RATE_STORE_FAILURES.inc()
            if trouble != self._trouble:
                _log.warning("rate_limits.store", reason=trouble)
        self._trouble = trouble
        self._link.away = trouble is not None
        metrics.INGRESS_RATE_STORE_AWAY.set(0 if trouble is None else 1)
