"""Which keys were seen, in memory that is bounded by their number: 8 bytes a key, and as much room again. Pure."""

from array import array
from hashlib import blake2b

_BEGIN_SLOTS = 1 << 12


class SeenKeys:
    """A set of texts that keeps 64 bits of each one's hash. Among a million keys one in 40 million runs errs."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _BEGIN_SLOTS))
        self._count = 0

    def __contains__(self, key: str) -> bool:
        number = _number(key)
        return self._slots[_slot(self._slots, number)] == number

    def add(self, key: str) -> None:
        """Nothing where it is in already."""
        number = _number(key)
        at = _slot(self._slots, number)
        if self._slots[at] == number:
            return
        self._slots[at] = number
        self._count += 1
        if self._count * 2 > len(self._slots):
            larger = array("Q", bytes(16 * len(self._slots)))
            for kept in self._slots:
                if kept:
                    larger[_slot(larger, kept)] = kept
            self._slots = larger


def _number(key: str) -> int:
    """Never 0, which is an empty slot."""
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()) or 1


def _slot(slots: "array[int]", number: int) -> int:
    """Where the number stands, or would."""
    mask = len(slots) - 1
    at = number & mask
    while slots[at] not in (0, number):
        at = (at + 1) & mask
    return at
