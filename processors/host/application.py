"""Faust, with the fetch, the commit and the table recovery taken over by the batch host.

Kept from Faust: the consumer group and its copartitioning assignor, rebalance callbacks, the table with its RocksDB
store and changelog topic, channels, agents, the worker. Replaced here: fetching (the group consumer is paused and
never hands out a record), committing (advances only on the broker's success), table recovery (batches).
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import faust
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import TP
from mode import Service

from infra import metrics
from infra.log import get_logger
from infra.settings import Settings
from processors.host.host import BatchHost
from processors.host.progress import Partition

_COMMIT_SECONDS_MAX = 5.0
_STOP_SECONDS_MAX = 8.0
_MEMBERSHIP_LOOK_SECONDS = 1.0
#: The group consumer fetches nothing, which aiokafka would take for a dead application after its poll interval.
_POLL_INTERVAL_SECONDS = 30 * 86_400
_log = get_logger(__name__)


class GroupConsumer(driver.Consumer):
    """Membership, assignment and commits of the group; hands out nothing."""

    async def getmany(self, timeout: float) -> AsyncIterator[Any]:  # noqa: ASYNC109  # Faust's signature
        """Wait; the host's own readers fetch."""
        await self.sleep(timeout)
        return
        yield  # an asynchronous generator without items

    def pause_partitions(self, tps: Iterable[TP]) -> None:
        """Pause in aiokafka too, so that it does not prefetch what nobody will take."""
        super().pause_partitions(tps)
        consumer = self._thread._consumer
        if consumer is not None:
            assigned = consumer.assignment()
            consumer.pause(*[tp for tp in (TopicPartition(*tp) for tp in tps) if tp in assigned])

    async def commit_positions(self, positions: Mapping[Partition, int]) -> bool:
        """Commit through the group, so that a generation that has passed is refused; True on the broker's success."""
        try:
            return bool(
                await asyncio.wait_for(
                    self._thread.call_thread(self._commit_on_thread, positions), timeout=_COMMIT_SECONDS_MAX
                )
            )
        except TimeoutError:
            _log.warning("commit.timed_out", partitions=len(positions))
            return False

    async def _commit_on_thread(self, positions: Mapping[Partition, int]) -> bool:
        consumer = self._thread._ensure_consumer()
        assigned = consumer.assignment()
        offsets = {
            TopicPartition(*partition): OffsetAndMetadata(position, "")
            for partition, position in positions.items()
            if TopicPartition(*partition) in assigned
        }
        if len(offsets) < len(positions):
            return False
        try:
            await consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError) as error:
            _log.info("commit.refused", reason=str(error))
            return False
        except KafkaError as error:
            _log.warning("commit.failed", reason=str(error))
            return False
        return True

    async def membership_fault(self) -> Exception | None:
        """What aiokafka cannot go on from as a member of the group; it then stands still until somebody has asked.

        Those who fetch ask each time; nobody fetches here.
        """
        fault: Exception | None = await self._thread.call_thread(self._fault_on_thread)
        return fault

    async def _fault_on_thread(self) -> Exception | None:
        consumer = self._thread._consumer
        if consumer is None or consumer._coordinator is None:
            return None
        try:
            consumer._coordinator.check_errors()
        except KafkaError as error:
            fault: Exception = error
            return fault
        return None

    async def verify_all_partitions_active(self) -> None:
        """Faust's watch over its own fetches; the host watches its readers itself."""


class GroupTransport(driver.Transport):
    """aiokafka transport with the group-only consumer."""

    Consumer = GroupConsumer


class HandOver(Recovery):
    """In place of Faust's table recovery: ends the host's lease on revocation, begins the next after assignment."""

    def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """First sign of a rebalance: nothing is handed out from here on."""
        self.app.host.revoke()

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """The new assignment is known and the table's databases are open."""
        if generation_id == self.app.consumer_generation_id:
            metrics.PROCESSORS_REBALANCES.inc()
            self._generation_id = generation_id
            self.signal_recovery_start.set()

    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                break
            self.signal_recovery_start.clear()
            try:
                await self._take_over(self._generation_id)
            except Exception as error:  # noqa: BLE001  # a lease that cannot begin ends the process, like a batch
                self.app.host.end_process("lease.not_begun", error)

    @Service.task
    async def _watch_membership(self) -> None:
        """A member that cannot go on ends the process, as nothing else would tell of it."""
        while not self.should_stop:
            await self.sleep(_MEMBERSHIP_LOOK_SECONDS)
            fault = await self.app.consumer.membership_fault()
            if fault is not None:
                self.app.host.end_process("membership.lost", fault)

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """Nothing arrives through Faust."""

    @Service.task
    async def _publish_stats(self) -> None:
        """The host logs what it restores."""

    async def _take_over(self, generation: int) -> None:
        app = self.app
        await app.host.end()
        partitions = [Partition(tp.topic, tp.partition) for tp in app.assignor.assigned_actives()]
        sources = [partition for partition in partitions if partition.topic in app.source_topics]
        lease = await app.host.begin(generation, sources)
        if not lease.live or app.consumer_generation_id != generation:
            return
        await app.on_rebalance_complete.send()
        self.completed.set()
        app.flow_control.resume()
        app.tables.on_actives_ready()
        app.tables.on_standbys_ready()
        app.on_rebalance_end()
        await app.host.start(lease)


class HandOverTableManager(TableManager):
    """Table manager whose recovery is the hand-over."""

    _recovery: Recovery | None = None

    @property
    def recovery(self) -> Recovery:
        """The hand-over of this application."""
        if self._recovery is None:
            self._recovery = HandOver(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery


class BatchApplication(faust.App):
    """A Faust application whose agents receive batches from `host`."""

    host: BatchHost
    source_topics: frozenset[str] = frozenset()

    def _new_transport(self) -> GroupTransport:
        return GroupTransport(self.conf.broker_consumer, self, loop=self.loop)

    async def stop(self) -> None:
        """End the lease (finish, commit) before the consumer leaves the group."""
        self.host.revoke()
        await self.host.end()
        try:
            await asyncio.wait_for(super().stop(), _STOP_SECONDS_MAX)
        except TimeoutError:
            _log.warning("application.stop_timed_out", seconds=_STOP_SECONDS_MAX)


def create_application(settings: Settings, *, table_partitions: int) -> BatchApplication:
    """The application on the settings of this process; docs/adr/0002 says why each is as it is."""
    processors = settings.processors
    app = BatchApplication(
        processors.group_id,
        broker=f"kafka://{settings.kafka.bootstrap.replace(',', ';')}",
        store="rocksdb://",
        datadir=str(settings.data_dir / "processors"),
        key_serializer="raw",
        value_serializer="raw",
        topic_partitions=table_partitions,
        topic_replication_factor=settings.kafka.replication_factor,
        topic_disable_leader=True,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=processors.session_timeout_seconds,
        broker_heartbeat_interval=processors.session_timeout_seconds / 5,
        broker_rebalance_timeout=processors.session_timeout_seconds * 2,
        broker_max_poll_interval=_POLL_INTERVAL_SECONDS,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        worker_redirect_stdouts=False,
        TableManager=HandOverTableManager,
        autodiscover=False,
    )

    async def end_lease(*_arguments: Any, **_named: Any) -> None:
        await app.host.end()

    app.on_partitions_revoked.connect(end_lease, weak=False)
    return app
