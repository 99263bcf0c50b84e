"""The thread that goes through replay jobs: several side by side, each in turn, while this process leads."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from infra import metrics
from infra.clickhouse import ClickHouse
from infra.errors import ClickHouseRefusedError, KafkaUnavailableError
from infra.log import get_logger
from infra.postgres import Connection, Pool
from infra.settings import Settings
from management.group_watch import GroupWatch
from management.leading import LedWork
from management.replay_jobs.batches import BatchWork
from management.replay_jobs.core.rates import TokenBucket
from management.replay_jobs.core.states import Cause, Standing, State
from management.replay_jobs.jobs import Job, JobStore, count_open, list_due, list_forgettable, read_job, show_open
from management.replay_jobs.planning import Planner
from management.replay_jobs.watching import Watcher
from management.replaying.publishing import RecordPublisher
from management.replaying.reading import RecordReader

_CLIENT_ID = "hookline-management-replays"
#: Jobs get turns for so long before it is looked which there are.
_TURNS_SECONDS = 2.0
_FORGET_EVERY_SECONDS = 600.0
_log = get_logger(__name__)


class ReplayWork(LedWork):
    """The part `replays`.

    `pool` writes; the leading session reads what is due, and shows before each turn that it still leads.
    """

    name = "replays"
    lock_key = 0x686C207265706C79  # "hl reply"
    look_seconds = 0.25
    leader_gauge = metrics.REPLAYS_LEADER

    def __init__(self, settings: Settings, pool: Pool, clickhouse: ClickHouse, watch: GroupWatch) -> None:
        super().__init__(settings.postgres)
        self._settings = settings
        self._store = JobStore(pool)
        self._planner = Planner(self._store, clickhouse, settings)
        self._publisher = RecordPublisher(settings.kafka, _CLIENT_ID)
        self._batches = BatchWork(pool, clickhouse, self._store, self._publisher)
        self._watcher = Watcher(settings.replays, self._store, clickhouse, watch)
        self._buckets: dict[tuple[UUID, int], TokenBucket] = {}
        self._reader: RecordReader | None = None
        self._forgot_at = float("-inf")
        self._kafka_fault: KafkaUnavailableError | None = None

    def stop(self, timeout_seconds: float) -> None:
        """Leave what is not done to another process."""
        super().stop(timeout_seconds)
        self._publisher.close()
        if not self._thread.is_alive():
            self._planner.close()
            if self._reader is not None:
                self._reader.__exit__(None, None, None)

    def step(self, connection: Connection) -> Sequence[str]:
        """A turn for every job that is due, again and again while some get on."""
        show_open(count_open(connection))
        due = list_due(connection)
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if key[0] in {one[1] for one in due}}
        ends_at = time.monotonic() + _TURNS_SECONDS
        busy = due
        while busy and not self._stopping.is_set():
            busy = [one for one in busy if self._turn(connection, *one)]
            if time.monotonic() >= ends_at:
                break
        if self._kafka_fault is not None:
            fault, self._kafka_fault = self._kafka_fault, None
            raise fault
        if time.monotonic() - self._forgot_at >= _FORGET_EVERY_SECONDS:
            self._forgot_at = time.monotonic()
            for tenant_id, replay_id in list_forgettable(connection, self._settings.replays.records_kept_days):
                self._store.forget(tenant_id, replay_id)
        return ()

    def end(self) -> None:
        """Whoever leads counts the open ones."""
        show_open({})

    def _turn(self, connection: Connection, tenant_id: UUID, replay_id: UUID) -> bool:
        """Whether the job may go on at once."""
        read: Callable[[], Job] = partial(read_job, connection, tenant_id, replay_id)
        job = read()
        try:
            return self._go_on(job, read)
        except KafkaUnavailableError as error:  # the other jobs have their turns before it is told
            self._kafka_fault = error
            return False
        except ClickHouseRefusedError as error:
            _log.error("replays.refused", replay_id=str(replay_id), reason=str(error))
            reason = "the log refused what was asked for: see Hookline's own log"
            self._store.end(job, Standing(State.FAILED, Cause.ERROR, reason))
            return False

    def _go_on(self, job: Job, read: Callable[[], Job]) -> bool:
        reader = self._open_reader()
        if job.has_batch_in_hand:
            return self._batches.resume(job, reader, read)
        self._watcher.look(job)
        if job.state is State.PLANNING:
            return self._planner.go_on(job, reader)
        return job.state is State.RUNNING and self._run_on(job, reader)

    def _run_on(self, job: Job, reader: RecordReader) -> bool:
        bucket = self._buckets.setdefault(
            (job.id, job.rate_per_second), TokenBucket(job.rate_per_second, time.monotonic())
        )
        room = bucket.room(time.monotonic())
        if not room:
            return False
        published = self._batches.next_batch(job, reader, room)
        if published is None:
            self._store.end(job, Standing(State.DONE))
            return False
        bucket.take(published)
        return True

    def _open_reader(self) -> RecordReader:
        if self._reader is None:
            self._reader = RecordReader(self._settings.kafka)
        return self._reader
