"""A flood of requests from many addresses of this machine, in a process of its own."""

import asyncio
import multiprocessing
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import cast

import uvloop

from bench import open_loop

_SECONDS_MAX = 120


@dataclass(frozen=True)
class Flood:
    """`count` times `request`, each as soon as the one before has been answered, one connection per address."""

    port: int
    request: bytes
    count: int
    addresses: Sequence[str]


@dataclass
class _Left:
    count: int
    statuses: Counter[int] = field(default_factory=Counter)


class _Flooder(asyncio.Protocol):
    """Answers are short and come one at a time; only the status is read."""

    _transport: asyncio.Transport

    def __init__(self, request: bytes, left: _Left) -> None:
        self._request, self._left = request, left
        self._received = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or AssertionError("the receiver closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found or len(rest) < open_loop.content_length(head + b"\r\n"):
            return
        self._left.statuses[int(head[9:12])] += 1
        self._received = b""
        self._send()

    def _send(self) -> None:
        if self._left.count:
            self._left.count -= 1
            self._transport.write(self._request)
        else:
            self.done.set_result(None)
            self._transport.close()


@dataclass(frozen=True)
class Poured:
    """How often which status was answered, and from when until when (Unix seconds)."""

    statuses: Counter[int]
    began_at: float
    ended_at: float


def pour(flood: Flood) -> Poured:
    """Send it all, in this process."""
    left, began_at = _Left(flood.count), time.time()

    async def send_all() -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_SECONDS_MAX):
            flooders = [
                await loop.create_connection(
                    lambda: _Flooder(flood.request, left), "127.0.0.1", flood.port, local_addr=(address, 0)
                )
                for address in flood.addresses
            ]
            await asyncio.gather(*(flooder.done for _, flooder in flooders))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(send_all())
    return Poured(left.statuses, began_at, time.time())


def processes(count: int) -> ProcessPoolExecutor:
    """Processes that share nothing with this one, so that neither load waits for the other's interpreter."""
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))
