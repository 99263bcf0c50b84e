"""What of each partition is done, and what of that is committed. Pure bookkeeping; advances only after success."""

from typing import NamedTuple


class Partition(NamedTuple):
    """One partition of a source topic."""

    topic: str
    number: int


class Progress:
    """Positions per partition: the next offset to process. Batches of one partition finish in the order handed out."""

    def __init__(self, start: dict[Partition, int]) -> None:
        self._handed_to = dict(start)
        self._done_to = dict(start)
        self._committed_to = dict(start)

    def hand_out(self, partition: Partition, first: int, end: int) -> int:
        """Record that [first, end) is handed out; returns how many offsets before `first` do not exist (any more).

        Raises ValueError when records come twice or backwards: the reader is broken, nothing may be committed.
        """
        expected = self._handed_to[partition]
        if first < expected or end <= first:
            raise ValueError(f"{partition.topic}/{partition.number}: [{first}, {end}) handed out, expected {expected}")
        self._handed_to[partition] = end
        return first - expected

    def finish(self, partition: Partition, end: int) -> None:
        """Everything before `end` is processed and acknowledged."""
        if end <= self._done_to[partition] or end > self._handed_to[partition]:
            raise ValueError(f"{partition.topic}/{partition.number}: finished to {end} out of turn")
        self._done_to[partition] = end

    def uncommitted(self) -> dict[Partition, int]:
        """Positions worth committing."""
        return {partition: done for partition, done in self._done_to.items() if done > self._committed_to[partition]}

    def mark_committed(self, positions: dict[Partition, int]) -> None:
        """The broker has accepted `positions`; call only after its success."""
        for partition, position in positions.items():
            self._committed_to[partition] = max(self._committed_to[partition], position)

    def partitions(self) -> frozenset[Partition]:
        """Those whose progress this is."""
        return frozenset(self._done_to)

    def position(self, partition: Partition) -> int:
        """The next offset to process."""
        return self._done_to[partition]

    def pending(self) -> bool:
        """Whether something handed out is not finished."""
        return any(done < self._handed_to[partition] for partition, done in self._done_to.items())
