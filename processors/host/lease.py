"""One lease: the partitions this process owns in one generation of the group, from assignment to revocation.

Everything of a lease is made anew for the next one (consumers, positions, tables' pending writes), so nothing that
one generation fetched, buffered or half finished can leak into another.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from infra.settings import ProcessorSettings
from processors.host.lane import Lane
from processors.host.progress import Partition, Progress
from processors.host.reader import Fetched, LaneReader
from processors.host.table import PartitionTable
from processors.host.trace import TraceLog

HandOutTask = asyncio.Task[None]
HandingOut = Coroutine[Any, Any, None]


@dataclass(slots=True)
class Batch:
    """What an agent receives: consecutive records of one partition, and the table of that partition."""

    lease: "Lease"
    partition: Partition
    messages: list[Any]
    end: int
    table: PartitionTable
    lane: Lane


class Lease:
    """Owned partitions of one generation; `live` ends at the first sign of a revocation."""

    def __init__(self, generation: int, settings: ProcessorSettings, trace: TraceLog) -> None:
        self.generation = generation
        self.cancelled = threading.Event()
        #: Set when the lease is over for good: what finishes later must not touch the tables any more.
        self.abandoned = False
        self.tables: dict[int, PartitionTable] = {}
        self.progress = Progress({})
        #: The completion of the newest batch of each partition number: batches finish in the order handed out.
        self.tails: dict[int, asyncio.Task[None]] = {}
        self._settings = settings
        self._trace = trace
        self._in_flight_max = settings.batches_in_flight_max
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"lease-{generation}")
        self._lanes: tuple[Lane, ...] = ()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def live(self) -> bool:
        """Whether the partitions are still ours, as far as this process knows."""
        return not self.cancelled.is_set()

    async def run_blocking(self, work: Callable[[], Any]) -> Any:
        """Run `work` on the lease's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def open(self, readers: Sequence[LaneReader], tables: dict[int, PartitionTable]) -> None:
        """Take the positions the readers found."""
        self._lanes = tuple(Lane(reader, in_flight_max=self._in_flight_max) for reader in readers)
        self.tables = tables
        positions = {partition: position for reader in readers for partition, position in reader.positions.items()}
        self.progress = Progress(positions)
        for partition, position in positions.items():
            self._trace.event(
                "start", generation=self.generation, topic=partition.topic, partition=partition.number, offset=position
            )

    def start(self, put: Callable[[Batch], Awaitable[None]], watched: Callable[[HandingOut], HandOutTask]) -> None:
        """Hand out batches of every lane through `put` until the lease ends; `watched` makes the tasks."""
        self._tasks = [watched(self._hand_out_forever(lane, put)) for lane in self._lanes]

    def reader_lag(self) -> dict[Partition, int]:
        """Records not yet processed, by partition, as far as fetches have seen."""
        if not self.live:
            return {}
        ends = {partition: end for lane in self._lanes for partition, end in lane.reader.lag().items()}
        return {partition: max(0, end - self.progress.position(partition)) for partition, end in ends.items()}

    def finish(self, batch: Batch) -> None:
        """A batch is processed, acknowledged and in the table."""
        self.progress.finish(batch.partition, batch.end)
        self._trace.event(
            "done",
            generation=self.generation,
            topic=batch.partition.topic,
            partition=batch.partition.number,
            end=batch.end,
        )

    def cancel(self) -> None:
        """End the lease: nothing is handed out from here on. Safe to call from anywhere, any number of times."""
        self.cancelled.set()
        for task in self._tasks:
            task.cancel()

    async def drain(self, timeout_seconds: float) -> bool:
        """Wait for the batches that agents have begun; false when some did not finish in time."""
        tails = [tail for tail in self.tails.values() if not tail.done()]
        if not tails:
            return True
        _, unfinished = await asyncio.wait(tails, timeout=timeout_seconds)
        return not unfinished

    def abandon(self) -> None:
        """The lease is over. Stops the readers in the background; their threads end by themselves."""
        self.abandoned = True
        for lane in self._lanes:
            lane.close()
        self._executor.shutdown(wait=False)

    async def _hand_out_forever(self, lane: Lane, put: Callable[[Batch], Awaitable[None]]) -> None:
        while self.live:
            for fetched in await lane.read():
                await lane.take_slot()
                if self.cancelled.is_set():
                    return
                await put(self._to_batch(lane, fetched))

    def _to_batch(self, lane: Lane, fetched: Fetched) -> Batch:
        first, end = fetched.messages[0].offset(), fetched.messages[-1].offset() + 1
        gap = self.progress.hand_out(fetched.partition, first, end)
        self._trace.event(
            "hand_out",
            generation=self.generation,
            topic=fetched.partition.topic,
            partition=fetched.partition.number,
            first=first,
            end=end,
            gap=gap,
        )
        table = self.tables[fetched.partition.number]
        return Batch(self, fetched.partition, fetched.messages, end, table, lane)
