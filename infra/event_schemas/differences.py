"""What a comparison of two versions speaks of: differences, and the place it is at. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from infra.event_schemas.accepted import Accepted, Schema

Step = str | int


class Difference(NamedTuple):
    """Something that the old version accepted and the new one may not. `path` leads to it in the new schema."""

    path: tuple[Step, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the new schema a comparison is.

    `level` counts the steps into the value, `cases` how often what was accepted of this value has been divided.
    """

    path: tuple[Step, ...] = ()
    level: int = 0
    cases: int = 0

    def at(self, *steps: Step) -> "Place":
        """Another schema about the same value."""
        return Place((*self.path, *steps), self.level, self.cases)

    def below(self, *steps: Step) -> "Place":
        """A schema about a part of the value."""
        return Place((*self.path, *steps), self.level + 1)

    def divided(self) -> "Place":
        """The same schema, for less than all that was accepted."""
        return Place(self.path, self.level, self.cases + 1)

    def difference(self, message: str, *steps: Step) -> Difference:
        """Found at a keyword here."""
        return Difference((*self.path, *steps), message)


class Comparison(Protocol):
    """Of an old document with a new one."""

    old_root: Any
    new_root: Any

    def compare(self, old: Sequence[Any], new: Any, place: Place) -> list[Difference]:
        """What a value that satisfies all of `old` may break in `new`."""
        ...

    def is_same(self, one: Any, other: Any) -> bool:
        """Whether two schemas, one of each document, are written the same and mean the same."""
        ...


#: Whether one keyword of the new schema follows from what was accepted.
Check = Callable[[Comparison, Accepted, Schema, Place], Iterator[Difference]]
