"""How far a job is, as it changes: Server-Sent Events until the job ends."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from infra.errors import PostgresUnavailableError
from infra.postgres import Row
from management.errors import Problem, TooManyRequestsError, ValidationFailedError
from management.event_streams import ACCESS_SECONDS, HEARTBEAT_SECONDS, LIFETIME_SECONDS_MAX, Recheck, event, may_still
from management.replay_jobs.core.states import ENDED
from management.replays.repository import ReplayRepository
from management.replays.service import shown_replay

TENANT_WATCHERS_MAX = 10
WATCHERS_MAX = 100
LOOK_SECONDS = 0.5
_REVISION_DIGITS_MAX = 18


class ReplayProgress:
    """Lives on the server's loop. An event's id is the job's revision, which grows with every change."""

    def __init__(self, repository: ReplayRepository) -> None:
        self._repository = repository
        self._open: Counter[UUID] = Counter()
        self._released = False

    def release(self) -> None:
        """End every stream, so that the server can end."""
        self._released = True

    async def require_job(self, tenant_id: UUID, replay_id: UUID) -> None:
        """Raises NotFoundError where the tenant has no such job."""
        await run_in_threadpool(self._repository.get, tenant_id, replay_id)

    def open(self, tenant_id: UUID, last_event_id: str | None) -> int:
        """The revision that the caller has seen. Whoever opens has to close.

        Raises ValidationFailedError for an id that is none, TooManyRequestsError.
        """
        is_id = last_event_id is None or (last_event_id.isdecimal() and len(last_event_id) <= _REVISION_DIGITS_MAX)
        if not is_id:
            raise ValidationFailedError([Problem("Last-Event-ID", "this is no id of an event of this stream")])
        if self._open[tenant_id] >= TENANT_WATCHERS_MAX or self._open.total() >= WATCHERS_MAX:
            message = f"{TENANT_WATCHERS_MAX} jobs of this tenant, or {WATCHERS_MAX} in all, are watched already"
            raise TooManyRequestsError(message, headers={"Retry-After": "5"})
        self._open[tenant_id] += 1
        return int(last_event_id or 0)

    def close(self, tenant_id: UUID) -> None:
        """Make room for another one."""
        self._open[tenant_id] -= 1
        if not self._open[tenant_id]:
            del self._open[tenant_id]

    async def events(self, tenant_id: UUID, replay_id: UUID, seen: int, recheck: Recheck) -> AsyncIterator[bytes]:
        """Every change that is met; `recheck` raises ApiError once the caller may not read."""
        opened_at = told_at = checked_at = time.monotonic()
        yield b": watching\n\n"
        while True:
            row = await run_in_threadpool(self._look, tenant_id, replay_id)
            now = time.monotonic()
            if row is not None and row["revision"] != seen:
                seen, told_at = row["revision"], now
                yield b"id: %d\n" % seen + event("progress", shown_replay(row).model_dump(mode="json"))
            if row is not None and row["state"] in ENDED:
                yield event("end", {"reason": row["state"]})
                return
            if now - checked_at >= ACCESS_SECONDS:
                checked_at = now
                if not await run_in_threadpool(may_still, recheck):
                    yield event("end", {"reason": "access"})
                    return
            if self._released or now - opened_at >= LIFETIME_SECONDS_MAX:
                yield event("end", {"reason": "lifetime"})
                return
            if now - told_at >= HEARTBEAT_SECONDS:
                told_at = now
                yield b": still here\n\n"
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self, tenant_id: UUID, replay_id: UUID) -> Row | None:
        """None while Postgres is away."""
        try:
            return self._repository.get(tenant_id, replay_id)
        except PostgresUnavailableError:
            return None
