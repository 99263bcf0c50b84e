"""The batch host: leases come and go with the group's generations; batches are processed, awaited, then committed."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, NoReturn, Protocol

from infra import metrics
from infra.clock import MICROSECONDS, now_us
from infra.log import get_logger
from infra.role import PartHealth
from infra.settings import Settings
from infra.standstill import Watched
from processors.host.lease import Batch, Lease
from processors.host.progress import Partition
from processors.host.publisher import Outputs, Publisher
from processors.host.reader import LaneReader
from processors.host.restore import Changelog
from processors.host.table import PartitionTable, TableWrites
from processors.host.trace import TraceLog

EXIT_AFTER_FAULT = 70
_DRAIN_SHARE_OF_SESSION = 0.5
_log = get_logger(__name__)

Commit = Callable[[Mapping[Partition, int]], Awaitable[bool]]


class Handler(Protocol):
    """What the processors do with a batch. `handle` decides and queues outputs; it awaits only configuration."""

    async def handle(self, batch: Batch, outputs: Outputs, writes: TableWrites) -> None: ...

    def expire(self, table: PartitionTable, writes: TableWrites) -> None: ...


class BatchHost:
    """Runs leases. One per process; lives on the Faust application's event loop."""

    def __init__(
        self, settings: Settings, handler: Handler, publisher: Publisher, *, urgent_topics: frozenset[str]
    ) -> None:
        self._settings = settings
        self._handler = handler
        self._publisher = publisher
        self._urgent_topics = urgent_topics
        self._trace = TraceLog(settings.processors.trace_log)
        self._lease: Lease | None = None
        self._commit: Commit | None = None
        self._put: Callable[[Batch], Awaitable[None]] | None = None
        self._changelog: Changelog | None = None
        self._changelog_topic = ""
        self._last_commit_at_us: int | None = None
        self._recovering = False
        self._housekeeping: asyncio.Task[None] | None = None

    def connect(
        self, *, put: Callable[[Batch], Awaitable[None]], commit: Commit, changelog: Changelog, changelog_topic: str
    ) -> None:
        """Say where batches go, how positions are committed and which changelog backs the table."""
        self._put, self._commit = put, commit
        self._changelog, self._changelog_topic = changelog, changelog_topic

    async def begin(self, generation: int, partitions: Sequence[Partition]) -> Lease:
        """Take over `partitions`: restore their tables, find the committed offsets. Hands out nothing yet."""
        lease = self._lease = Lease(generation, self._settings.processors, self._trace)
        self._trace.event("assigned", generation=generation, partitions=[list(p) for p in sorted(partitions)])
        numbers = sorted({partition.number for partition in partitions})
        changelog = self._changelog
        assert changelog is not None  # noqa: S101  # connected before the app starts
        self._recovering = True
        try:
            restored = await lease.run_blocking(lambda: changelog.restore(numbers, lease.cancelled))
            metrics.PROCESSORS_RECOVERY_RECORDS.inc(restored.records)
            _log.info(
                "table.restored",
                generation=generation,
                partitions=len(numbers),
                records=restored.records,
                seconds=round(restored.seconds, 3),
                complete=restored.complete,
            )
            if lease.live:
                await lease.run_blocking(lambda: self._open(lease, partitions, numbers))
        finally:
            self._recovering = False
        return lease

    async def start(self, lease: Lease) -> None:
        """Hand out from here on, unless the lease has ended meanwhile."""
        if not lease.live or self._put is None:
            return
        if self._housekeeping is None:
            self._housekeeping = self._watched(self._keep_house(), "housekeeping.failed")
        lease.start(self._put, lambda work: self._watched(work, "lease.failed"))
        _log.info("lease.started", generation=lease.generation, partitions=len(lease.tables))

    def revoke(self) -> None:
        """The group is rebalancing: stop handing out at once."""
        if self._lease is not None:
            self._trace.event("revoked", generation=self._lease.generation)
            self._lease.cancel()

    async def end(self) -> None:
        """After `revoke`: let begun batches finish within a bound, commit what is done, let go."""
        lease, self._lease = self._lease, None
        if lease is None:
            return
        lease.cancel()
        drained = await lease.drain(self._settings.processors.session_timeout_seconds * _DRAIN_SHARE_OF_SESSION)
        await self._commit_lease(lease)
        lease.abandon()
        _log.info("lease.ended", generation=lease.generation, drained=drained)

    async def process(self, batch: Batch) -> None:
        """Process one batch up to its outputs; its completion follows by itself. Never raises.

        A fault ends the process: the event of an agent that raised would be acknowledged and lost, so the only way
        out is to end hard, with nothing committed, and to be started again.
        """
        lease = batch.lease
        if not lease.live:
            batch.lane.decided()
            batch.lane.finished()
            return
        started = time.perf_counter()
        outputs, writes = Outputs(), batch.table.begin()
        try:
            await self._handler.handle(batch, outputs, writes)
            self._queue_changelog(batch.table, writes, outputs)
        except Exception as error:  # noqa: BLE001  # the one way out of an agent: see above
            self.end_process("batch.failed", error)
        batch.lane.decided()
        number = batch.partition.number
        completion = self._complete(batch, outputs, writes, lease.tails.get(number))
        lease.tails[number] = self._watched(completion, "batch.not_completed")
        metrics.PROCESSORS_BATCH_SECONDS.observe(time.perf_counter() - started)
        metrics.PROCESSORS_BATCH_RECORDS.observe(len(batch.messages))

    def health(self) -> PartHealth:
        """Ready when a lease is being worked on."""
        lease = self._lease
        reasons: list[str] = []
        if self._recovering:
            reasons.append("tables are being restored")
        elif lease is None or not lease.live or not lease.tables:
            reasons.append("no partitions assigned yet")
        if self._publisher.fatal_error:
            reasons.append(f"producer: {self._publisher.fatal_error}")
        lag = sum(lease.reader_lag().values()) if lease is not None and lease.tables else None
        return PartHealth("processors", not reasons, tuple(reasons), lag, self._last_commit_at_us)

    def consumer(self, topics: tuple[str, ...]) -> Watched:
        """The group's member, for the watch over consumers that stand still."""
        return Watched("processors", self._settings.processors.group_id, topics, self._owned, self._waited_at)

    def _owned(self) -> frozenset[Partition]:
        lease = self._lease
        return lease.progress.partitions() if lease is not None and lease.live else frozenset()

    def _waited_at(self) -> float:
        return time.monotonic() if self._recovering else float("-inf")

    def _open(self, lease: Lease, partitions: Sequence[Partition], numbers: Sequence[int]) -> None:
        assert self._changelog is not None  # noqa: S101
        tables = {number: self._changelog.table(number) for number in numbers}
        settings = self._settings
        urgent = [partition for partition in partitions if partition.topic in self._urgent_topics]
        ordinary = [partition for partition in partitions if partition.topic not in self._urgent_topics]
        readers = [
            LaneReader(settings.kafka, settings.processors, urgent, urgent=True),
            LaneReader(settings.kafka, settings.processors, ordinary, urgent=False),
        ]
        lease.open(readers, tables)

    def _queue_changelog(self, table: PartitionTable, writes: TableWrites, outputs: Outputs) -> None:
        for key, value in writes.changes.items():
            outputs.send_to_partition(self._changelog_topic, key=key, value=value, partition=table.partition)

    async def _complete(
        self, batch: Batch, outputs: Outputs, writes: TableWrites, previous: "asyncio.Task[None] | None"
    ) -> None:
        """Settle a batch, then let the position advance."""
        lease = batch.lease
        await self._settle(lease, batch.table, (outputs, writes), previous)
        if not lease.abandoned:
            lease.finish(batch)
        batch.lane.finished()

    async def _settle(
        self,
        lease: Lease,
        table: PartitionTable,
        decided: tuple[Outputs, TableWrites],
        previous: "asyncio.Task[None] | None",
    ) -> None:
        """Await every output, then write the table; in the order handed out."""
        outputs, writes = decided
        await self._publisher.publish(outputs)
        if previous is not None:
            await previous
        if not lease.abandoned:
            table.apply(writes)

    async def _keep_house(self) -> None:
        """Commit finished positions, sweep expired keys, show the lag."""
        settings = self._settings.processors
        next_sweep = time.monotonic()
        while True:
            await asyncio.sleep(settings.commit_interval_seconds)
            lease = self._lease
            if lease is None or not lease.live:
                continue
            await self._commit_lease(lease)
            if time.monotonic() >= next_sweep:
                next_sweep = time.monotonic() + settings.expiry_interval_seconds
                await self._sweep(lease)
            _show_lag(lease.reader_lag())

    async def _commit_lease(self, lease: Lease) -> None:
        positions = lease.progress.uncommitted()
        if not positions or self._commit is None:
            return
        accepted = await self._commit(positions)
        self._trace.event(
            "commit",
            generation=lease.generation,
            accepted=accepted,
            positions=[[p.topic, p.number, offset] for p, offset in positions.items()],
        )
        if accepted:
            lease.progress.mark_committed(positions)
            self._last_commit_at_us = now_us()
            metrics.PROCESSORS_LAST_COMMIT.set(self._last_commit_at_us / MICROSECONDS)

    async def _sweep(self, lease: Lease) -> None:
        for table in lease.tables.values():
            outputs, writes = Outputs(), table.begin()
            self._handler.expire(table, writes)
            if not writes.changes or not lease.live:
                continue
            self._queue_changelog(table, writes, outputs)
            previous = lease.tails.get(table.partition)
            completion = self._settle(lease, table, (outputs, writes), previous)
            lease.tails[table.partition] = self._watched(completion, "sweep.not_completed")

    def _watched(self, work: Coroutine[Any, Any, None], event: str) -> "asyncio.Task[None]":
        """A task whose failure ends the process: nothing it was to finish may count as done."""

        def on_done(task: "asyncio.Task[None]") -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                self.end_process(event, error)

        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(on_done)
        return task

    def end_process(self, event: str, error: BaseException) -> NoReturn:
        """End hard, with nothing acknowledged or committed on the way down."""
        _log.error(event, error=str(error), kind=type(error).__name__)
        self._trace.event("fault", fault=event, error=str(error))
        os._exit(EXIT_AFTER_FAULT)


def _show_lag(lag: Mapping[Partition, int]) -> None:
    by_topic: dict[str, int] = {}
    for partition, records in lag.items():
        by_topic[partition.topic] = by_topic.get(partition.topic, 0) + records
    for topic, records in by_topic.items():
        metrics.PROCESSORS_LAG_RECORDS.labels(topic).set(records)
