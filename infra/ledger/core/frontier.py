"""How far the whole line is: below which offset every request must have its outcome in the log. Pure.

No clock is asked. The ends of the raw topics are noted; once the processors are past them, the ends of the action
topics are noted, and once the actions are past those, the end of the recorded outcomes. When these are stored, each
record below the first ends has its outcome, or it will never have one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

#: Topic and partition.
Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Positions:
    """Committed offsets by group, read first, and then the ends of every topic; a place without a commit is absent."""

    committed: Mapping[str, Mapping[Place, int]]
    ends: Mapping[Place, int]


class Frontier:
    """`stages` are consumer groups with their topics, in the order in which a request passes them."""

    def __init__(self, stages: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
        self._stages = stages
        self._stage = 0
        self._begun: Mapping[Place, int] = {}
        self._wanted: Mapping[Place, int] = {}
        self.ends: Mapping[Place, int] = {}

    def advance(self, positions: Positions) -> bool:
        """Go on as far as these positions allow; whether `ends` were renewed."""
        if not self._wanted:
            self._begun = self._wanted = self._ends_of(0, positions)
        while is_past(positions.committed.get(self._stages[self._stage][0], {}), self._wanted):
            self._stage += 1
            if self._stage == len(self._stages):
                self.ends, self._stage, self._wanted = self._begun, 0, {}
                return True
            self._wanted = self._ends_of(self._stage, positions)
        return False

    def _ends_of(self, stage: int, positions: Positions) -> Mapping[Place, int]:
        topics = self._stages[stage][1]
        return {place: end for place, end in positions.ends.items() if place[0] in topics}


def is_past(committed: Mapping[Place, int], wanted: Mapping[Place, int]) -> bool:
    """Whether every place is committed up to what is wanted there; where nothing is to be read, nothing need be."""
    return all(committed.get(place, 0) >= offset for place, offset in wanted.items())
