"""Which keys were seen, in memory that is bounded by their number: 16 to 32 bytes a key. Pure."""

from array import array
from hashlib import blake2b

_BEGIN_SLOTS = 1 << 12


class SeenKeys:
    """Texts, each with a number that is not 0, such as a time. It keeps 64 bits of a text's hash.

    Among a million keys one in 40 million runs takes one for another.
    """

    def __init__(self) -> None:
        self._hashes, self._numbers = _empty(_BEGIN_SLOTS)
        self._count = 0

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def get(self, key: str) -> int | None:
        """The number of a key; None where it was not seen."""
        return self._numbers[_slot(self._hashes, _hash(key))] or None

    def put(self, key: str, number: int = 1) -> None:
        """See a key, or see it again with another number."""
        hashed = _hash(key)
        at = _slot(self._hashes, hashed)
        self._count += not self._hashes[at]
        self._hashes[at], self._numbers[at] = hashed, number
        if self._count * 2 > len(self._hashes):
            hashes, numbers = _empty(2 * len(self._hashes))
            for kept, its_number in zip(self._hashes, self._numbers, strict=True):
                if kept:
                    at = _slot(hashes, kept)
                    hashes[at], numbers[at] = kept, its_number
            self._hashes, self._numbers = hashes, numbers


def _empty(slots: int) -> "tuple[array[int], array[int]]":
    return array("Q", bytes(8 * slots)), array("Q", bytes(8 * slots))


def _hash(key: str) -> int:
    """Never 0, which is an empty slot."""
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()) or 1


def _slot(hashes: "array[int]", wanted: int) -> int:
    """Where the hash stands, or would."""
    mask = len(hashes) - 1
    at = wanted & mask
    while hashes[at] not in (0, wanted):
        at = (at + 1) & mask
    return at
