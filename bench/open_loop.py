"""HTTP load on a fixed schedule: a request is due whether or not earlier ones have been answered.

Every time counts from the moment a request was due, so a server that stalls is charged for all the requests that
had to wait meanwhile, and so is this client when it falls behind (`sent_late_seconds` says by how much it did).
"""

import asyncio
import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass

import uvloop

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_CONTENT_LENGTH = b"\r\ncontent-length:"


@dataclass(frozen=True, slots=True)
class Schedule:
    """`requests` are whole HTTP/1.1 requests. At most `connections` of them are under way at a time."""

    host: str
    port: int
    requests: Sequence[bytes]
    per_second: float
    connections: int = 256
    timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class ScheduledAnswer:
    """`due_at` is Unix seconds; `answer_seconds` runs from then to the last byte of the answer."""

    due_at: float
    sent_late_seconds: float
    answer_seconds: float
    status: int
    body: bytes


def run(schedule: Schedule) -> list[ScheduledAnswer]:
    """Send everything, in this process. Raises OSError or EOFError when a connection fails, TimeoutError."""
    gc.collect()
    gc.freeze()  # what is there already need not be looked at again while requests are due
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_send_all(schedule))


async def _send_all(schedule: Schedule) -> list[ScheduledAnswer]:
    free: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
    clock, running = time.monotonic, []  # the loop's own clock knows no more than milliseconds
    for _ in range(schedule.connections):
        free.put_nowait(await asyncio.open_connection(schedule.host, schedule.port))
    async with asyncio.timeout(len(schedule.requests) / schedule.per_second + schedule.timeout_seconds):
        async with asyncio.TaskGroup() as group:
            began = clock()
            for number, request in enumerate(schedule.requests):
                due = began + number / schedule.per_second
                await asyncio.sleep(due - clock())
                running.append(group.create_task(_send(request, due, free)))
    while not free.empty():
        free.get_nowait()[1].close()
    return [task.result() for task in running]


async def _send(request: bytes, due: float, free: asyncio.LifoQueue[_Connection]) -> ScheduledAnswer:
    clock = time.monotonic
    reader, writer = connection = await free.get()
    late = clock() - due
    due_at = time.time() - late
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(content_length(head))
    seconds = clock() - due
    free.put_nowait(connection)
    return ScheduledAnswer(due_at, late, seconds, int(head[9:12]), body)


def content_length(head: bytes) -> int:
    """What an answer's head says of its body's length; 0 where it says nothing."""
    at = head.lower().find(_CONTENT_LENGTH)
    return int(head[at + len(_CONTENT_LENGTH) : head.index(b"\r\n", at + 2)]) if at >= 0 else 0
