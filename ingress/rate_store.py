"""The store that receivers share rate limits through: Redis or Valkey, asked in the background, never by a request."""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from infra import metrics
from infra.clock import now_us
from infra.log import get_logger
from infra.settings import RateLimitSettings
from ingress.core.leases import LeasedBucket, Need, Shares, StoreLink

#: The token bucket. KEYS: the webhook's; ARGV: limit per minute, debt, wanted, given back. The clock is the store's.
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local limit, debt, wanted, back = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local stored = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(stored[1]), tonumber(stored[2])
if tokens and at then
  tokens = tokens + math.max(0, now - at) * limit / 60000000
else
  tokens = limit
end
tokens = math.min(limit, tokens + back) - debt
local granted = math.max(0, math.min(wanted, math.floor(tokens)))
tokens = tokens - granted
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.0f', now))
redis.call('EXPIRE', KEYS[1], 600)
return {granted, string.format('%.6f', tokens)}
"""
_SCHEMES = {"valkey://": "redis://", "valkeys://": "rediss://"}
_BATCH_MAX = 1_000
_log = get_logger(__name__)


class RateStore:
    """One per worker, on the loop's thread. `run` renews what its buckets need until it is cancelled."""

    def __init__(self, settings: RateLimitSettings, url: str) -> None:
        self._settings = settings
        self._shares = Shares(settings.credit_percent, settings.lease_percent)
        self._noticed: set[LeasedBucket] = set()
        self._link = StoreLink(self._noticed.add)
        self._sha = ""
        self._trouble: str | None = "not asked yet"
        for scheme, known in _SCHEMES.items():
            url = url.replace(scheme, known, 1) if url.startswith(scheme) else url
        timeout_seconds = settings.store_timeout_milliseconds / 1_000
        self._client: Redis = Redis.from_url(
            url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, max_connections=2
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

    async def run(self) -> None:
        """Renew until cancelled; no fault of the store ends it."""
        interval_seconds = self._settings.renewal_milliseconds / 1_000
        try:
            while True:
                if self._link.away:
                    await self._connect()
                await self._renew()
                await asyncio.sleep(interval_seconds if not self._link.away else 10 * interval_seconds)
        finally:
            await self._client.aclose()

    async def _connect(self) -> None:
        """Ask whether the store is there; what was taken meanwhile was the local buckets'."""
        try:
            self._sha = await self._client.script_load(_SCRIPT)
        except (RedisError, OSError) as error:
            self._note(error)
            return
        self._note(None)

    async def _renew(self) -> None:
        if self._link.away or not self._noticed:
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
            await self._ask(due[begin : begin + _BATCH_MAX])

    async def _ask(self, due: Sequence[tuple[LeasedBucket, Need]]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for bucket, need in due:
            pipeline.evalsha(self._sha, 1, bucket.key, str(bucket.limit), *map(str, need))
        metrics.INGRESS_RATE_STORE_CALLS.inc()
        try:
            found: list[Any] = await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            self._note(error)
            return
        at_us = now_us()
        for (bucket, need), answer in zip(due, found, strict=True):
            if isinstance(answer, Exception):
                self._note(answer)
            else:
                bucket.renewed(need, int(answer[0]), float(answer[1]), at_us)

    def _note(self, error: Exception | None) -> None:
        """Say a change once. A script that was flushed is loaded again before the next renewal, like a lost server."""
        trouble = None if error is None else type(error).__name__
        if trouble != self._trouble and not (isinstance(error, NoScriptError) and self._trouble is None):
            level = _log.info if trouble is None else _log.warning
            level("rate_limits.store", reason=trouble or "in use")
        if error is not None:
            metrics.INGRESS_RATE_STORE_FAILURES.inc()
        self._trouble = trouble
        self._link.away = trouble is not None
        metrics.INGRESS_RATE_STORE_AWAY.set(0 if trouble is None else 1)
