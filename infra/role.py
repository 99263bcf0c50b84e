"""What every part of a running system shows: whether it is ready, and if not, why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PartHealth:
    """`reasons` say in words why a part is not ready (empty when it is). `lag_records` counts what waits for it.

    `last_commit_at_us` is microseconds since the epoch of the last committed offset; null before the first.
    """

    name: str
    ready: bool
    reasons: tuple[str, ...] = ()
    lag_records: int | None = None
    last_commit_at_us: int | None = None
    details: Mapping[str, str | int | float | bool] = field(default_factory=dict)


class Part(Protocol):
    """Anything whose health is shown."""

    def health(self) -> PartHealth: ...


class Role(Part, Protocol):
    """A part that may share its process with others. `start` returns at once; `stop` waits for a clean end."""

    name: str

    def start(self) -> None: ...

    def stop(self, timeout_seconds: float) -> None: ...
