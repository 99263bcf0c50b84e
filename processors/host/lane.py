"""One lane of a lease: what it has under way, and the thread it reads on.

Expedited requests never wait behind a backlog of ordinary ones: at most `ORDINARY_UNDECIDED_MAX` ordinary batches stand
in the agent's queue at a time. Nor do ordinary ones starve: the queue gives batches out as they came, so at most
`URGENT_UNDECIDED_MAX` expedited ones stand before one of theirs, and they have a fifth of the batches or more.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from processors.host.reader import Fetched, LaneReader

URGENT_UNDECIDED_MAX = 8
#: Two, so that the next is there when one is decided; each more would stand before an expedited batch.
ORDINARY_UNDECIDED_MAX = 2


class Lane:
    """Made anew for every lease. `decided` and `finished` are called once per batch that `take_slot` let through."""

    def __init__(self, reader: LaneReader, *, in_flight_max: int) -> None:
        self.reader = reader
        self._in_flight = asyncio.Semaphore(in_flight_max)
        self._undecided = asyncio.Semaphore(URGENT_UNDECIDED_MAX if reader.urgent else ORDINARY_UNDECIDED_MAX)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="urgent-lane" if reader.urgent else "ordinary-lane")

    async def read(self) -> list[Fetched]:
        """The next records, in the order they are to be handed out."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self.reader.read)

    async def take_slot(self) -> None:
        """Wait until one more batch may be under way, and stand in the agent's queue."""
        await self._in_flight.acquire()
        await self._undecided.acquire()

    def decided(self) -> None:
        """A batch has left the agent; what it produces may still wait for its acknowledgements."""
        self._undecided.release()

    def finished(self) -> None:
        """A batch is finished or dropped."""
        self._in_flight.release()

    def close(self) -> None:
        """Stop reading, in the background; the thread ends by itself."""
        self._executor.submit(self.reader.close)
        self._executor.shutdown(wait=False)
