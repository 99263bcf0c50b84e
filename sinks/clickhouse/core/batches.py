"""Batches that come out the same again after a crash.

A batch is a range of offsets of one partition. Its range is committed as the metadata of the group's offset before
the rows are inserted; whoever owns the partition next finds it there and builds exactly that batch first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

_FORMAT = "1"

Record = TypeVar("Record")


class Plan(NamedTuple):
    """A batch's range, both ends included; its first offset is the committed one."""

    first_offset: int
    last_offset: int

    def encode(self, incarnation: str) -> str:
        """As it stands in the metadata of the committed offset `first_offset`."""
        return f"{_FORMAT} {incarnation} {self.last_offset}"


def decode_plan(committed_offset: int, metadata: str | None, *, incarnation: str) -> Plan | None:
    """The plan in `metadata`; None when there is none, or when it is of an earlier incarnation of the topic."""
    parts = (metadata or "").split(" ")
    if len(parts) != 3 or parts[0] != _FORMAT or parts[1] != incarnation or not parts[2].isdecimal():
        return None
    return Plan(committed_offset, int(parts[2]))


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what one consumer holds; a partition's batch is due after `wait_us` at the latest."""

    records_max: int
    bytes_max: int
    wait_us: int


@dataclass(frozen=True, slots=True)
class Batch(Generic[Record]):
    """Records of one partition in offset order. `planned`: its range was found committed, not chosen now."""

    records: Sequence[Record]
    first_offset: int
    last_offset: int
    planned: bool


@dataclass(slots=True)
class PartitionBuffer(Generic[Record]):
    """Consumed records of one partition that are not in ClickHouse yet.

    `incarnation` is None until the committed plan was looked up; until then no batch is given out.
    """

    topic: str
    partition: int
    incarnation: str | None = None
    plan: Plan | None = None
    held_bytes: int = 0
    since_us: int = 0
    last_seen_offset: int = -1
    _records: list[Record] = field(default_factory=list)
    _offsets: list[int] = field(default_factory=list)
    _sizes: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._records)

    def add(self, record: Record, *, offset: int, size_bytes: int, now_us: int) -> None:
        """Append the next record; offsets rise, with gaps."""
        if not self._records:
            self.since_us = now_us
        self._records.append(record)
        self._offsets.append(offset)
        self.last_seen_offset = offset
        self._sizes.append(size_bytes)
        self.held_bytes += size_bytes

    def goes_back(self, offset: int) -> bool:
        """Whether `offset` was seen before: the topic was made anew, or the group was moved."""
        return offset <= self.last_seen_offset

    def due(self, now_us: int, limits: Limits) -> bool:
        """Whether `take` would give a batch that should not wait any longer."""
        if self.incarnation is None or not self._records:
            return False
        if self.plan is not None:
            return self.last_seen_offset >= self.plan.last_offset
        full = len(self._records) >= limits.records_max or self.held_bytes >= limits.bytes_max
        return full or now_us - self.since_us >= limits.wait_us

    def take(self, now_us: int, limits: Limits) -> Batch[Record] | None:
        """Remove and return the next batch, with the planned range where one was committed.

        None when none of the plan's records is in the topic any more: the plan is void.
        """
        plan, self.plan = self.plan, None
        count = self._full_count(limits) if plan is None else self._planned_count(plan)
        if count == 0:
            return None
        first_offset, last_offset = plan or (self._offsets[0], self._offsets[count - 1])
        batch = Batch(self._records[:count], first_offset, last_offset, planned=plan is not None)
        self.held_bytes -= sum(self._sizes[:count])
        del self._records[:count], self._offsets[:count], self._sizes[:count]
        self.since_us = now_us
        return batch

    def _planned_count(self, plan: Plan) -> int:
        return next((i for i, offset in enumerate(self._offsets) if offset > plan.last_offset), len(self._offsets))

    def _full_count(self, limits: Limits) -> int:
        size_bytes = 0
        for count, size in enumerate(self._sizes[: limits.records_max], start=1):
            size_bytes += size
            if size_bytes >= limits.bytes_max:
                return count
        return min(len(self._records), limits.records_max)


def next_due(buffers: Sequence[PartitionBuffer[Record]], now_us: int, limits: Limits) -> PartitionBuffer[Record] | None:
    """The fullest buffer that is due, or, when all together reach a limit, the fullest that can give a batch."""
    due = [buffer for buffer in buffers if buffer.due(now_us, limits)]
    if not due and over(buffers, limits):
        due = [buffer for buffer in buffers if len(buffer) and buffer.incarnation is not None and buffer.plan is None]
    return max(due, key=len, default=None)


def may_consume(buffers: Sequence[PartitionBuffer[Record]], limits: Limits) -> bool:
    """Whether there is room for more, or a planned batch cannot end without it.

    A process works on one plan at a time, so the plans it may find are as many as processes died.
    """
    return not over(buffers, limits) or any(buffer.plan is not None for buffer in buffers)


def over(buffers: Sequence[PartitionBuffer[Record]], limits: Limits) -> bool:
    """Whether all buffers together hold as much as they may."""
    held = sum(buffer.held_bytes for buffer in buffers)
    return held >= limits.bytes_max or sum(map(len, buffers)) >= limits.records_max
