"""What becomes of what jobs have published, and whether live traffic keeps up: jobs pause by themselves."""

import time
from uuid import UUID

from infra.clickhouse import ClickHouse
from infra.clock import MICROSECONDS
from infra.settings import ReplaySettings
from management.group_watch import GroupView, GroupWatch
from management.paging import microseconds
from management.replay_jobs.core.states import ENDED, Cause, State
from management.replay_jobs.core.watching import (
    Bounds,
    caught_up,
    outcomes_are_whole,
    too_far_behind,
    too_many_failures,
)
from management.replay_jobs.jobs import Job, JobStore
from management.replay_jobs.selections import LoggedStates

_LOOK_SECONDS = 2.0
_LOOK_SECONDS_ENDED = 5.0
#: The groups that live traffic goes through.
_ROLES = ("processors", "actions")


class Watcher:
    """For one thread. Raises as the stores do."""

    def __init__(self, settings: ReplaySettings, store: JobStore, clickhouse: ClickHouse, watch: GroupWatch) -> None:
        self._bounds = Bounds(settings.failures_percent_max, settings.failures_outcomes_min, settings.lag_seconds_max)
        self._store = store
        self._clickhouse = clickhouse
        self._watch = watch
        self._looked_at: dict[UUID, float] = {}

    def look(self, job: Job) -> None:
        """Now and then: count outcomes, pause a job or let it go on."""
        if job.started_at is None:
            return
        every_seconds = _LOOK_SECONDS_ENDED if job.state in ENDED else _LOOK_SECONDS
        now = time.monotonic()
        if now - self._looked_at.get(job.id, -every_seconds) < every_seconds:
            return
        self._looked_at[job.id] = now
        self._count(job)
        if job.state in (State.RUNNING, State.PAUSED):
            self._mind_lag(job)

    def _count(self, job: Job) -> None:
        if not job.published or job.started_at is None:
            return
        logged = LoggedStates(self._clickhouse, job.tenant_id)
        outcomes = logged.outcomes(job.id, microseconds(job.started_at))
        has_all = job.state in ENDED and outcomes_are_whole(outcomes, job.published)
        self._store.note_outcomes(job, outcomes, has_all=has_all)
        if has_all:
            self._looked_at.pop(job.id, None)
        if job.state is State.RUNNING:
            since_resumed = outcomes
            if job.resumed_at is not None and job.resumed_at > job.started_at:
                since_resumed = logged.outcomes(job.id, microseconds(job.resumed_at))
            reason = too_many_failures(since_resumed, self._bounds)
            if reason is not None:
                self._store.pause(job, Cause.FAILURES, reason)

    def _mind_lag(self, job: Job) -> None:
        lag_seconds = self._lag_seconds()
        reason = too_far_behind(lag_seconds, self._bounds)
        if job.state is State.RUNNING and reason is not None:
            self._store.pause(job, Cause.LAG, reason)
        elif job.state is State.PAUSED and job.cause is Cause.LAG and caught_up(lag_seconds, self._bounds):
            self._store.resume_after_lag(job)

    def _lag_seconds(self) -> float | None:
        """Of the oldest record that waits; None where that is not known."""
        ages: list[float] = []
        for group, view in self._watch.seen():
            if group.role not in _ROLES:
                continue
            if not isinstance(view, GroupView):
                return None
            for topic in view.topics:
                oldest_at_us = topic.backlog.oldest_at_us
                if oldest_at_us is not None:
                    ages.append(max(0, view.at_us - oldest_at_us) / MICROSECONDS)
        return max(ages, default=0.0)
