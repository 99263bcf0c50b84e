"""How long answers take, cause by cause, and whether their times tell the causes apart."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import NormalDist

import numpy as np

_DATE = re.compile(rb"date: [^\r]*\r\n")
_THINKING_SECONDS_MAX = 0.002
_PERMUTATIONS = 200
#: How seldom chance alone may exceed the bound, over all pairs of causes together.
_FALSE_ALARM = 1e-4


@dataclass
class Timed:
    """Answers in the order in which they came: the cause and the seconds of each, and every distinct answer's bytes
    but for Date."""

    causes: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    answers: set[bytes] = field(default_factory=set)


class _Sender(asyncio.Protocol):
    """One connection: the next request a short while after each answer. Answers have no body."""

    _transport: asyncio.Transport

    def __init__(self, requests: Mapping[str, bytes], turns: list[str], chance: random.Random, timed: Timed) -> None:
        self._requests, self._turns, self._chance, self._timed = requests, turns, chance, timed
        self._received = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or AssertionError("the receiver closed the connection"))

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._received += data
        if not self._received.endswith(b"\r\n\r\n"):
            return
        timed = self._timed
        timed.causes.append(self._cause)
        timed.seconds.append(now - self._sent_at)
        timed.answers.add(_DATE.sub(b"", self._received))
        self._received = b""
        asyncio.get_running_loop().call_later(self._chance.random() * _THINKING_SECONDS_MAX, self._send)

    def _send(self) -> None:
        if not self._turns:
            self.done.set_result(None)
            self._transport.close()
            return
        self._cause = self._turns.pop()
        request = self._requests[self._cause]
        self._sent_at = time.perf_counter()
        self._transport.write(request)


def time_answers(port: int, requests: Mapping[str, bytes], count: int, *, connections: int, seed: int) -> Timed:
    """Send `count` requests, of every cause as many, in a random order, over so many connections at once."""
    chance = random.Random(seed)
    turns = [cause for cause in requests for _ in range(count // len(requests))]
    chance.shuffle(turns)
    timed = Timed()

    async def send_all() -> None:
        loop = asyncio.get_running_loop()
        senders = [
            (await loop.create_connection(lambda: _Sender(requests, turns, chance, timed), "127.0.0.1", port))[1]
            for _ in range(connections)
        ]
        await asyncio.gather(*(sender.done for sender in senders))

    asyncio.run(send_all())
    return timed


@dataclass(frozen=True)
class Verdict:
    """`aucs`: per pair of causes the chance that an answer to the first takes longer than one to the second (Mann and
    Whitney's U by the number of pairs of answers). `bound`: how far from one half chance alone takes any of them."""

    aucs: Mapping[tuple[str, str], float]
    bound: float

    @property
    def worst(self) -> tuple[tuple[str, str], float]:
        """The pair furthest from one half, and how far."""
        pair = max(self.aucs, key=lambda pair: abs(self.aucs[pair] - 0.5))
        return pair, abs(self.aucs[pair] - 0.5)

    def __str__(self) -> str:
        (first, second), distance = self.worst
        return f"{len(self.aucs)} pairs, |AUC - 1/2| <= {distance:.4f} ({first} / {second}), bound {self.bound:.4f}"


def judge(timed: Timed, *, seed: int) -> Verdict:
    """Compare the times of every pair of causes.

    The causes came in random order, so without a difference every other order was as likely: shuffling the causes over
    the same times shows how far chance takes an AUC on this machine, however its noise is distributed. The bound is
    the normal quantile of that spread for _FALSE_ALARM, shared out over both sides of every pair (Bonferroni).
    """
    names = sorted(set(timed.causes))
    order = {name: number for number, name in enumerate(names)}
    labels = np.array([order[cause] for cause in timed.causes])
    _, groups = np.unique(np.array(timed.seconds), return_inverse=True)
    pairs = list(combinations(range(len(names)), 2))
    found = _aucs(labels, groups, len(names))
    generator = np.random.default_rng(seed)
    by_chance = [_aucs(generator.permutation(labels), groups, len(names)) for _ in range(_PERMUTATIONS)]
    spread = float(np.sqrt(np.mean([[(one[pair] - 0.5) ** 2 for pair in pairs] for one in by_chance])))
    quantile = NormalDist().inv_cdf(1 - _FALSE_ALARM / len(pairs) / 2)
    return Verdict({(names[a], names[b]): float(found[a, b]) for a, b in pairs}, quantile * spread)


def _aucs(labels: np.ndarray, groups: np.ndarray, causes: int) -> np.ndarray:
    """[a, b]: how often an answer of a takes longer than one of b; equal times count half."""
    counts = np.zeros((int(groups.max()) + 1, causes))
    np.add.at(counts, (groups, labels), 1)
    shorter = np.cumsum(counts, axis=0) - counts
    totals = counts.sum(axis=0)
    return (counts.T @ (shorter + counts / 2)) / np.outer(totals, totals)


def summary(timed: Timed) -> str:
    """Median and 99th percentile of each cause's times, in milliseconds."""
    lines: Sequence[str] = [
        f"{cause:>28}: {np.quantile(found, 0.5) * 1e3:8.3f} {np.quantile(found, 0.99) * 1e3:8.3f}  ({len(found)})"
        for cause in sorted(set(timed.causes))
        if (found := [s for c, s in zip(timed.causes, timed.seconds, strict=True) if c == cause])
    ]
    return "\n".join(lines)
