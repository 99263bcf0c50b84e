"""How much is written down of rejected requests: everything at first, then counts. Memory and rate are bounded."""

from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

Sample = TypeVar("Sample")


class Folded(NamedTuple, Generic[Sample]):
    """`times` more rejections like `sample` in the second that has ended."""

    sample: Sample
    times: int


class FloodGate(Generic[Sample]):
    """Per key (reason, address, webhook) the first `per_second_max` of a second pass; the rest is counted.

    At most `keys_max` keys are told apart in a second; further ones are counted together under their `overflow` key.
    """

    __slots__ = ("_counts", "_keys_max", "_per_second_max", "_samples")

    def __init__(self, *, per_second_max: int, keys_max: int) -> None:
        self._per_second_max = per_second_max
        self._keys_max = keys_max
        self._counts: dict[Hashable, int] = {}
        self._samples: dict[Hashable, Sample] = {}

    def admit(self, key: Hashable, overflow: Hashable) -> Hashable | None:
        """None: write this one down. Otherwise the key it was counted under: see `remember`."""
        if key not in self._counts and len(self._counts) >= self._keys_max:
            key = overflow
            self._counts[key] = self._counts.get(key, self._per_second_max) + 1
            return key
        count = self._counts.get(key, 0) + 1
        self._counts[key] = count
        return None if count <= self._per_second_max else key

    def needs_sample(self, key: Hashable) -> bool:
        """Whether nothing stands for the counted ones of this key yet."""
        return key not in self._samples

    def remember(self, key: Hashable, sample: Sample) -> None:
        """Let `sample` stand for the counted ones of this key."""
        self._samples[key] = sample

    def end_second(self) -> list[Folded[Sample]]:
        """What was counted in the second that ends now; begins the next one."""
        folded = [Folded(sample, self._counts[key] - self._per_second_max) for key, sample in self._samples.items()]
        self._counts.clear()
        self._samples.clear()
        return folded
